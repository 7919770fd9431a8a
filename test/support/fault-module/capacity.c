/* How many objects a YubiHSM holds, and which of its two-byte ids are taken. */
#include "vendors.h"
#include <string.h>

enum { LABEL_MAX = 40, ID_BYTES = 2, NAME_MAX_BYTES = 256, BATCH = 64 };

/* The authentication key that the caller logged in with is an object, too. */
static const CK_ULONG authentication_keys = 1;

/* A session of our own: the caller's may be in the middle of an operation. */
static CK_RV borrow_session(CK_SESSION_HANDLE like, CK_SESSION_HANDLE *session) {
  CK_SESSION_INFO info;
  CK_RV rv = real->C_GetSessionInfo(like, &info);
  return rv == CKR_OK ? real->C_OpenSession(info.slotID, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, session) : rv;
}

static CK_ULONG length_of(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE wanted = { type, NULL, 0 };
  return real->C_GetAttributeValue(session, object, &wanted, 1) == CKR_OK ? wanted.ulValueLen : 0;
}

static CK_ULONG objects_for(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  if (read_ulong(session, object, CKA_CLASS, CKO_DATA) == CKO_PUBLIC_KEY) return 0;
  bool native = length_of(session, object, CKA_ID) == ID_BYTES && length_of(session, object, CKA_LABEL) <= LABEL_MAX;
  return native ? 1 : 2;
}

static CK_ULONG objects_in(CK_SESSION_HANDLE session) {
  CK_OBJECT_HANDLE found[BATCH];
  CK_ULONG count = 0, sum = authentication_keys;
  if (real->C_FindObjectsInit(session, NULL, 0) != CKR_OK) return sum;
  while (real->C_FindObjects(session, found, BATCH, &count) == CKR_OK && count > 0) {
    for (CK_ULONG i = 0; i < count; i++) sum += objects_for(session, found[i]);
  }
  real->C_FindObjectsFinal(session);
  return sum;
}

CK_RV yubihsm_room_for(CK_SESSION_HANDLE session, CK_ULONG more) {
  CK_SESSION_HANDLE own;
  CK_RV rv = borrow_session(session, &own);
  if (rv != CKR_OK) return rv;
  if (objects_in(own) + more > imitation().objects_max) rv = CKR_DEVICE_MEMORY;
  real->C_CloseSession(own);
  return rv;
}

bool yubihsm_needs_helper(const CK_ATTRIBUTE *id, const CK_ATTRIBUTE *label) {
  return (id && id->ulValueLen != ID_BYTES) || (label && label->ulValueLen > LABEL_MAX);
}

static CK_OBJECT_HANDLE first_match(CK_SESSION_HANDLE session, const struct template *wanted) {
  CK_SESSION_HANDLE own;
  CK_OBJECT_HANDLE found = 0;
  CK_ULONG count = 0;
  if (borrow_session(session, &own) != CKR_OK) return 0;
  if (real->C_FindObjectsInit(own, (CK_ATTRIBUTE *)wanted->items, wanted->count) == CKR_OK) {
    if (real->C_FindObjects(own, &found, 1, &count) != CKR_OK || count == 0) found = 0;
    real->C_FindObjectsFinal(own);
  }
  real->C_CloseSession(own);
  return found;
}

bool yubihsm_has(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, CK_KEY_TYPE type, const CK_ATTRIBUTE *id) {
  if (!id || id->ulValueLen != ID_BYTES) return false;
  struct template wanted = copy_template(NULL, id, 1);
  set_attribute(&wanted, CKA_CLASS, &class, sizeof class);
  set_attribute(&wanted, CKA_KEY_TYPE, &type, sizeof type);
  return first_match(session, &wanted) != 0;
}

CK_OBJECT_HANDLE yubihsm_twin(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private) {
  static const CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
  CK_BYTE id[NAME_MAX_BYTES], label[NAME_MAX_BYTES];
  CK_ATTRIBUTE names[] = { { CKA_ID, id, sizeof id }, { CKA_LABEL, label, sizeof label } };
  if (real->C_GetAttributeValue(session, private, names, 2) != CKR_OK) return 0;
  struct template wanted = copy_template(NULL, names, 2);
  set_attribute(&wanted, CKA_CLASS, &class, sizeof class);
  return first_match(session, &wanted);
}
