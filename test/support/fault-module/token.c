/* Imitations of what library and token say of themselves, of logging in, and of functions that a vendor does not have. */
#include "imitate.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void pad(CK_BYTE *field, size_t size, const char *text) {
  size_t length = strlen(text);
  memset(field, ' ', size);
  memcpy(field, text, length < size ? length : size);
}

static CK_RV imitate_C_GetInfo(CK_INFO *info) {
  struct imitation as = imitation();
  CK_RV rv = real->C_GetInfo(info);
  if (rv != CKR_OK || !as.library) return rv;
  pad(info->manufacturerID, sizeof info->manufacturerID, as.library_manufacturer);
  pad(info->libraryDescription, sizeof info->libraryDescription, as.library);
  return rv;
}

static CK_RV imitate_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
  struct imitation as = imitation();
  CK_RV rv = real->C_GetTokenInfo(slot, info);
  if (rv != CKR_OK || !as.manufacturer) return rv;
  pad(info->manufacturerID, sizeof info->manufacturerID, as.manufacturer);
  pad(info->model, sizeof info->model, as.model);
  return rv;
}

static bool is_offered(CK_MECHANISM_TYPE type) {
  return !imitates(YUBIHSM) || yubihsm_offers(type);
}

static CK_RV imitate_C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count) {
  if (!imitates(YUBIHSM | IV_PREFIX) || !count) return real->C_GetMechanismList(slot, list, count);
  CK_MECHANISM_TYPE all[512];
  CK_ULONG found = 511, kept = 0;
  CK_RV rv = real->C_GetMechanismList(slot, all, &found);
  if (rv != CKR_OK) return rv;
  for (CK_ULONG i = 0; i < found; i++) {
    if (is_offered(all[i])) all[kept++] = all[i];
  }
  if (imitates(IV_PREFIX)) all[kept++] = CKM_CLOUDHSM_AES_GCM;
  CK_ULONG room = *count;
  *count = kept;
  if (!list) return CKR_OK;
  if (room < kept) return CKR_BUFFER_TOO_SMALL;
  memcpy(list, all, kept * sizeof *all);
  return CKR_OK;
}

static CK_RV imitate_C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info) {
  if (!is_offered(type)) return CKR_MECHANISM_INVALID;
  bool prefixing = type == CKM_CLOUDHSM_AES_GCM && imitates(IV_PREFIX);
  return real->C_GetMechanismInfo(slot, prefixing ? CKM_AES_GCM : type, info);
}

/* CloudHSM accepts no others (SDK 5 user guide, API operations). */
static CK_RV imitate_C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *data, CK_NOTIFY notify, CK_SESSION_HANDLE *session) {
  if (imitates(CLOUDHSM) && !(flags & CKF_RW_SESSION)) return CKR_FUNCTION_FAILED;
  return real->C_OpenSession(slot, flags, data, notify, session);
}

/* `user:password`: the password is the PIN of the token behind, the user may be anybody. */
static CK_RV cloudhsm_login(CK_SESSION_HANDLE session, CK_BYTE *pin, CK_ULONG length) {
  CK_BYTE *colon = pin ? memchr(pin, ':', length) : NULL;
  if (!colon || colon == pin) return CKR_PIN_INCORRECT;
  return real->C_Login(session, CKU_USER, colon + 1, length - (CK_ULONG)(colon + 1 - pin));
}

/* `AAAApassword`: four hex digits for the authentication key, then 8 to 64 characters. */
static CK_RV yubihsm_login(CK_SESSION_HANDLE session, CK_BYTE *pin, CK_ULONG length) {
  if (!pin || length < 4 + 8 || length > 4 + 64) return CKR_ARGUMENTS_BAD;
  for (int i = 0; i < 4; i++) {
    if (!isxdigit(pin[i])) return CKR_PIN_INCORRECT;
  }
  return real->C_Login(session, CKU_USER, pin + 4, length - 4);
}

static CK_RV imitate_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG length) {
  if (!imitates(CLOUDHSM | YUBIHSM)) return real->C_Login(session, user, pin, length);
  if (user != CKU_USER) return CKR_USER_TYPE_INVALID;
  return imitates(CLOUDHSM) ? cloudhsm_login(session, pin, length) : yubihsm_login(session, pin, length);
}

/* Not in CloudHSM's library (SDK 5 user guide, API operations). */
#define NOT_IN_CLOUDHSM(name, parameters, arguments) \
  static CK_RV imitate_##name parameters { return imitates(CLOUDHSM) ? CKR_FUNCTION_NOT_SUPPORTED : real->name arguments; }
NOT_IN_CLOUDHSM(C_CopyObject, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *made),
  (s, o, t, n, made))
NOT_IN_CLOUDHSM(C_GetObjectSize, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ULONG *size), (s, o, size))
NOT_IN_CLOUDHSM(C_SeedRandom, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG n), (s, in, n))
NOT_IN_CLOUDHSM(C_SignRecoverInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key), (s, m, key))
NOT_IN_CLOUDHSM(C_WaitForSlotEvent, (CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved), (flags, slot, reserved))
NOT_IN_CLOUDHSM(C_GetOperationState, (CK_SESSION_HANDLE s, CK_BYTE *out, CK_ULONG *n), (s, out, n))
NOT_IN_CLOUDHSM(C_DigestKey, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key), (s, key))
NOT_IN_CLOUDHSM(C_InitToken, (CK_SLOT_ID slot, CK_BYTE *pin, CK_ULONG n, CK_BYTE *label), (slot, pin, n, label))
NOT_IN_CLOUDHSM(C_SetPIN, (CK_SESSION_HANDLE s, CK_BYTE *old, CK_ULONG m, CK_BYTE *new, CK_ULONG n), (s, old, m, new, n))

void install_token(void) {
  device.C_GetInfo = imitate_C_GetInfo;
  device.C_GetTokenInfo = imitate_C_GetTokenInfo;
  device.C_GetMechanismList = imitate_C_GetMechanismList;
  device.C_GetMechanismInfo = imitate_C_GetMechanismInfo;
  device.C_OpenSession = imitate_C_OpenSession;
  device.C_Login = imitate_C_Login;
  device.C_CopyObject = imitate_C_CopyObject;
  device.C_GetObjectSize = imitate_C_GetObjectSize;
  device.C_SeedRandom = imitate_C_SeedRandom;
  device.C_SignRecoverInit = imitate_C_SignRecoverInit;
  device.C_WaitForSlotEvent = imitate_C_WaitForSlotEvent;
  device.C_GetOperationState = imitate_C_GetOperationState;
  device.C_DigestKey = imitate_C_DigestKey;
  device.C_InitToken = imitate_C_InitToken;
  device.C_SetPIN = imitate_C_SetPIN;
}
