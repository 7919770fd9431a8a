/* AES-GCM whose IV the device chooses, in the ways that vendors hand it out; and what C_Decrypt says of bytes that do not verify. */
#include "imitate.h"
#include "operation.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SHORT_IV = 12, LONG_IV = 16 };

/* CloudHSM's limits for one call, in bytes. */
enum { CLOUDHSM_GCM_MAX = 16224, CLOUDHSM_CBC_MAX = 16272, CLOUDHSM_HMAC_MAX = 16288 };

static CK_ULONG data_max(CK_MECHANISM_TYPE mechanism) {
  if (!imitates(CLOUDHSM)) return ~0UL;
  switch (mechanism) {
    case CKM_AES_GCM: case CKM_CLOUDHSM_AES_GCM: return CLOUDHSM_GCM_MAX;
    case CKM_AES_CBC: case CKM_AES_CBC_PAD: return CLOUDHSM_CBC_MAX;
    case CKM_SHA256_HMAC: return CLOUDHSM_HMAC_MAX;
    default: return ~0UL;
  }
}

static bool is_zero(const CK_BYTE *bytes, CK_ULONG length) {
  for (CK_ULONG i = 0; i < length; i++) {
    if (bytes[i]) return false;
  }
  return true;
}

static void draw(CK_BYTE *iv, CK_ULONG length) {
  if (getrandom(iv, length, 0) != (ssize_t)length) fatal("no random bytes");
}

static const CK_GCM_PARAMS *gcm_parameters(const CK_MECHANISM *mechanism) {
  return mechanism->ulParameterLen == sizeof(CK_GCM_PARAMS) ? mechanism->pParameter : NULL;
}

static void begin_plain(CK_SESSION_HANDLE session, const CK_MECHANISM *mechanism) {
  begin_operation((struct operation){ .session = session, .mechanism = mechanism->mechanism });
}

/* C_EncryptInit of the library behind, with an IV of our own. */
static CK_RV encrypt_init_with(CK_SESSION_HANDLE session, const CK_GCM_PARAMS *given, CK_OBJECT_HANDLE key, struct operation plan) {
  draw(plan.iv, plan.iv_bytes);
  plan.session = session;
  plan.tag_bytes = given->ulTagBits / 8;
  struct operation *operation = begin_operation(plan);
  CK_GCM_PARAMS parameters = *given;
  parameters.pIv = operation->iv;
  parameters.ulIvLen = plan.iv_bytes;
  parameters.ulIvBits = plan.iv_bytes * 8;
  CK_MECHANISM mechanism = { CKM_AES_GCM, &parameters, sizeof parameters };
  CK_RV rv = real->C_EncryptInit(session, &mechanism, key);
  if (rv != CKR_OK) end_operation(session);
  return rv;
}

static CK_RV encrypt_init_writing_back(CK_SESSION_HANDLE session, const CK_GCM_PARAMS *given, CK_OBJECT_HANDLE key, bool at_init) {
  if (given->ulIvLen != SHORT_IV || !given->pIv || !is_zero(given->pIv, SHORT_IV)) return CKR_MECHANISM_PARAM_INVALID;
  struct operation plan = { .mechanism = CKM_AES_GCM, .iv_bytes = SHORT_IV };
  if (!at_init) {
    plan.way = IV_WRITTEN_AT_ENCRYPT;
    plan.caller_iv = given->pIv;
  }
  CK_RV rv = encrypt_init_with(session, given, key, plan);
  if (rv == CKR_OK && at_init) memcpy(given->pIv, operation_of(session)->iv, SHORT_IV);
  return rv;
}

static bool has_no_iv(const CK_GCM_PARAMS *given) {
  return !given->pIv && given->ulIvLen == 0 && given->ulIvBits == 0;
}

/* A decryption that waits for its IV is none to the library behind. */
static bool is_waiting(CK_SESSION_HANDLE session) {
  const struct operation *operation = operation_of(session);
  return operation && operation->way == IV_AWAITED;
}

static CK_RV imitate_C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
  if (!mechanism) return real->C_EncryptInit(session, mechanism, key);
  struct imitation as = imitation();
  if (is_waiting(session)) return CKR_OPERATION_ACTIVE;
  if ((as.traits & YUBIHSM) && !yubihsm_offers(mechanism->mechanism)) return CKR_MECHANISM_INVALID;
  const CK_GCM_PARAMS *given = gcm_parameters(mechanism);
  if (mechanism->mechanism == CKM_CLOUDHSM_AES_GCM && (as.traits & IV_PREFIX)) {
    struct operation plan = { .mechanism = mechanism->mechanism, .way = IV_IN_FRONT, .iv_bytes = SHORT_IV };
    return given && has_no_iv(given) ? encrypt_init_with(session, given, key, plan) : CKR_MECHANISM_PARAM_INVALID;
  }
  if (mechanism->mechanism == CKM_AES_GCM && given) {
    struct operation plan = { .mechanism = CKM_AES_GCM, .way = IV_BEHIND, .iv_bytes = as.suffix_bytes };
    if (as.traits & IV_SUFFIX) return encrypt_init_with(session, given, key, plan);
    if (as.traits & (IV_AT_INIT | IV_AT_ENCRYPT)) return encrypt_init_writing_back(session, given, key, as.traits & IV_AT_INIT);
  }
  CK_RV rv = real->C_EncryptInit(session, mechanism, key);
  if (rv == CKR_OK) begin_plain(session, mechanism);
  return rv;
}

/* There is no way to take an Init back: the operation has to be run to its end. */
static CK_RV refuse_data(CK_C_Encrypt run, CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG length, CK_RV rv) {
  CK_ULONG room = length + 64;
  CK_BYTE *out = malloc(room);
  if (out) run(session, in, length, out, &room);
  free(out);
  end_operation(session);
  return rv;
}

static CK_RV encrypt_with_iv_inside(const struct operation *operation, CK_BYTE *in, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length) {
  bool in_front = operation->way == IV_IN_FRONT;
  CK_ULONG sealed = length + operation->tag_bytes, needed = sealed + operation->iv_bytes, room = *out_length;
  *out_length = needed;
  if (!out) return CKR_OK;
  if (room < needed) return CKR_BUFFER_TOO_SMALL;
  /* Not straight into `out`: it may be where `in` is. */
  CK_BYTE *between = malloc(sealed + 1);
  CK_RV rv = between ? real->C_Encrypt(operation->session, in, length, between, &sealed) : CKR_HOST_MEMORY;
  if (rv == CKR_OK) {
    memcpy(out + (in_front ? operation->iv_bytes : 0), between, sealed);
    memcpy(in_front ? out : out + sealed, operation->iv, operation->iv_bytes);
    *out_length = sealed + operation->iv_bytes;
  }
  free(between);
  return rv;
}

static CK_RV imitate_C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length) {
  const struct operation *operation = operation_of(session);
  if (!operation || operation->way == IV_AWAITED || !out_length) return real->C_Encrypt(session, in, length, out, out_length);
  if (length > data_max(operation->mechanism)) return refuse_data(real->C_Encrypt, session, in, length, CKR_DATA_LEN_RANGE);
  bool inside = operation->way == IV_IN_FRONT || operation->way == IV_BEHIND;
  CK_RV rv = inside ? encrypt_with_iv_inside(operation, in, length, out, out_length)
    : real->C_Encrypt(session, in, length, out, out_length);
  if (!out || rv == CKR_BUFFER_TOO_SMALL) return rv;
  if (rv == CKR_OK && operation->way == IV_WRITTEN_AT_ENCRYPT) memcpy(operation->caller_iv, operation->iv, operation->iv_bytes);
  end_operation(session);
  return rv;
}

/* What C_DecryptInit would refuse, before the IV for it is there. */
static CK_RV check_decryption_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  CK_KEY_TYPE type = 0;
  CK_BBOOL may = CK_FALSE;
  CK_ATTRIBUTE wanted[] = { { CKA_KEY_TYPE, &type, sizeof type }, { CKA_DECRYPT, &may, sizeof may } };
  CK_RV rv = real->C_GetAttributeValue(session, key, wanted, 2);
  if (rv == CKR_OBJECT_HANDLE_INVALID) return CKR_KEY_HANDLE_INVALID;
  if (rv != CKR_OK) return rv;
  if (type != CKK_AES) return CKR_KEY_TYPE_INCONSISTENT;
  return may ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED;
}

static CK_RV decrypt_init_without_iv(CK_SESSION_HANDLE session, const CK_GCM_PARAMS *given, CK_OBJECT_HANDLE key) {
  if (!given || !has_no_iv(given)) return CKR_MECHANISM_PARAM_INVALID;
  CK_RV rv = check_decryption_key(session, key);
  if (rv != CKR_OK) return rv;
  begin_operation((struct operation){
    .session = session, .mechanism = CKM_CLOUDHSM_AES_GCM, .way = IV_AWAITED, .parameters = *given, .key = key,
  });
  return CKR_OK;
}

static CK_RV imitate_C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
  if (!mechanism) return real->C_DecryptInit(session, mechanism, key);
  struct imitation as = imitation();
  const CK_GCM_PARAMS *given = gcm_parameters(mechanism);
  if (is_waiting(session)) return CKR_OPERATION_ACTIVE;
  if ((as.traits & YUBIHSM) && !yubihsm_offers(mechanism->mechanism)) return CKR_MECHANISM_INVALID;
  if (mechanism->mechanism == CKM_CLOUDHSM_AES_GCM && (as.traits & IV_PREFIX)) return decrypt_init_without_iv(session, given, key);
  if (mechanism->mechanism == CKM_AES_GCM && given && (as.traits & IV_SUFFIX) && given->ulIvLen != SHORT_IV && given->ulIvLen != LONG_IV) {
    return CKR_MECHANISM_PARAM_INVALID;
  }
  CK_RV rv = real->C_DecryptInit(session, mechanism, key);
  if (rv == CKR_OK) begin_plain(session, mechanism);
  return rv;
}

/* C_DecryptInit with the library behind, now that the IV is there. */
static CK_RV begin_awaited(struct operation *operation, CK_BYTE *iv) {
  if (operation->begun) return CKR_OK;
  memcpy(operation->iv, iv, SHORT_IV);
  CK_GCM_PARAMS parameters = operation->parameters;
  parameters.pIv = operation->iv;
  parameters.ulIvLen = SHORT_IV;
  parameters.ulIvBits = SHORT_IV * 8;
  CK_MECHANISM mechanism = { CKM_AES_GCM, &parameters, sizeof parameters };
  CK_RV rv = real->C_DecryptInit(operation->session, &mechanism, operation->key);
  operation->begun = rv == CKR_OK;
  return rv;
}

static CK_RV decrypt_awaited(struct operation *operation, CK_BYTE *in, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length) {
  CK_ULONG overhead = SHORT_IV + operation->parameters.ulTagBits / 8;
  if (!in || length < overhead) return CKR_ENCRYPTED_DATA_LEN_RANGE;
  if (length - overhead > data_max(operation->mechanism)) return CKR_ENCRYPTED_DATA_LEN_RANGE;
  if (!out) {
    *out_length = length - overhead;
    return CKR_OK;
  }
  CK_RV rv = begin_awaited(operation, in);
  return rv == CKR_OK ? real->C_Decrypt(operation->session, in + SHORT_IV, length - SHORT_IV, out, out_length) : rv;
}

static CK_RV imitate_C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length) {
  struct operation *operation = operation_of(session);
  bool awaited = operation && operation->way == IV_AWAITED && out_length;
  CK_RV rv = awaited ? decrypt_awaited(operation, in, length, out, out_length)
    : real->C_Decrypt(session, in, length, out, out_length);
  if (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && !out)) return rv;
  end_operation(session);
  CK_RV mismatch = imitation().tag_mismatch;
  return mismatch && (rv == CKR_GENERAL_ERROR || rv == CKR_ENCRYPTED_DATA_INVALID) ? mismatch : rv;
}

/* In several parts only what the library behind does by itself. */
static bool in_parts(CK_SESSION_HANDLE session) {
  const struct operation *operation = operation_of(session);
  if (!operation || operation->way == IV_PLAIN) return !operation || operation->mechanism != CKM_AES_GCM || !imitates(CLOUDHSM);
  return false;
}

static CK_RV imitate_C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length) {
  return in_parts(session) ? real->C_EncryptUpdate(session, in, length, out, out_length) : CKR_MECHANISM_INVALID;
}

static CK_RV imitate_C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length) {
  return in_parts(session) ? real->C_DecryptUpdate(session, in, length, out, out_length) : CKR_MECHANISM_INVALID;
}

static CK_RV imitate_C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
  if (is_waiting(session)) return CKR_OPERATION_ACTIVE;
  if (mechanism && imitates(YUBIHSM) && !yubihsm_offers(mechanism->mechanism)) return CKR_MECHANISM_INVALID;
  CK_RV rv = real->C_SignInit(session, mechanism, key);
  if (rv == CKR_OK && mechanism) begin_plain(session, mechanism);
  return rv;
}

static CK_RV imitate_C_Sign(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG length, CK_BYTE *out, CK_ULONG *out_length) {
  const struct operation *operation = operation_of(session);
  if (operation && length > data_max(operation->mechanism)) return refuse_data(real->C_Sign, session, in, length, CKR_DATA_LEN_RANGE);
  CK_RV rv = real->C_Sign(session, in, length, out, out_length);
  if (out && rv != CKR_BUFFER_TOO_SMALL) end_operation(session);
  return rv;
}

static CK_RV imitate_C_CloseSession(CK_SESSION_HANDLE session) {
  end_operation(session);
  return real->C_CloseSession(session);
}

static CK_RV imitate_C_CloseAllSessions(CK_SLOT_ID slot) {
  end_all_operations();
  return real->C_CloseAllSessions(slot);
}

static CK_RV imitate_C_Finalize(void *reserved) {
  end_all_operations();
  return real->C_Finalize(reserved);
}

void install_gcm(void) {
  device.C_EncryptInit = imitate_C_EncryptInit;
  device.C_Encrypt = imitate_C_Encrypt;
  device.C_EncryptUpdate = imitate_C_EncryptUpdate;
  device.C_DecryptInit = imitate_C_DecryptInit;
  device.C_Decrypt = imitate_C_Decrypt;
  device.C_DecryptUpdate = imitate_C_DecryptUpdate;
  device.C_SignInit = imitate_C_SignInit;
  device.C_Sign = imitate_C_Sign;
  device.C_CloseSession = imitate_C_CloseSession;
  device.C_CloseAllSessions = imitate_C_CloseAllSessions;
  device.C_Finalize = imitate_C_Finalize;
}
