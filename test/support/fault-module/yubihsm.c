/*
 * Objects as the YubiHSM 2 has them (yubihsm_pkcs11 2.8, after its source): templates of a few attributes with fixed values, token objects
 * only, a pair of keys that is one object with two faces, 256 objects in all.
 */
#include "vendors.h"
#include <string.h>
#include <sys/random.h>

static const CK_MECHANISM_TYPE offered[] = {
  CKM_RSA_PKCS, CKM_SHA1_RSA_PKCS, CKM_SHA256_RSA_PKCS, CKM_SHA384_RSA_PKCS, CKM_SHA512_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_SHA1_RSA_PKCS_PSS,
  CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_OAEP,
  CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKM_ECDSA_SHA1, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512, CKM_ECDH1_DERIVE,
  0x1055UL /* EC_EDWARDS_KEY_PAIR_GEN */, 0x1057UL /* EDDSA */, CKM_SHA_1_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC,
  CKM_GENERIC_SECRET_KEY_GEN, CKM_AES_KEY_GEN, CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_SHA_1, CKM_SHA256, CKM_SHA384, CKM_SHA512,
};

static const struct attribute_rule aes_key[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false }, { CKA_VALUE, ANY, false },
  { CKA_VALUE_LEN, ANY, false }, { CKA_ENCRYPT, ANY, false }, { CKA_DECRYPT, ANY, false }, { CKA_EXTRACTABLE, ANY, false },
  { CKA_SUBJECT, ANY, true }, { CKA_TOKEN, YES, false }, { CKA_PRIVATE, YES, false }, { CKA_SENSITIVE, YES, false },
  { CKA_WRAP, NO, false }, { CKA_UNWRAP, NO, false }, { CKA_DERIVE, NO, false }, { CKA_SIGN, NO, false }, { CKA_VERIFY, NO, false },
  { CKA_COPYABLE, NO, false }, { CKA_MODIFIABLE, NO, false },
};
/* No VALUE_LEN: the device makes keys as long as the hash's block. */
static const struct attribute_rule hmac_key[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false }, { CKA_VALUE, ANY, false },
  { CKA_SIGN, ANY, false }, { CKA_VERIFY, ANY, false }, { CKA_EXTRACTABLE, ANY, false }, { CKA_SUBJECT, ANY, true },
  { CKA_DESTROYABLE, YES, false }, { CKA_TOKEN, YES, false }, { CKA_PRIVATE, YES, false }, { CKA_SENSITIVE, YES, false },
  { CKA_MODIFIABLE, NO, false }, { CKA_COPYABLE, NO, false }, { CKA_WRAP, NO, false }, { CKA_UNWRAP, NO, false },
  { CKA_DERIVE, NO, false }, { CKA_ENCRYPT, NO, false }, { CKA_DECRYPT, NO, false }, { CKA_SIGN_RECOVER, NO, true },
  { CKA_VERIFY_RECOVER, NO, true }, { CKA_ALWAYS_AUTHENTICATE, NO, true },
};
static const struct attribute_rule ec_private[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false }, { CKA_SUBJECT, ANY, false },
  { CKA_SIGN, ANY, false }, { CKA_DERIVE, ANY, false }, { CKA_EXTRACTABLE, ANY, false }, { CKA_TOKEN, YES, false },
  { CKA_SENSITIVE, YES, false }, { CKA_PRIVATE, YES, false }, { CKA_DESTROYABLE, YES, false }, { CKA_VERIFY, NO, true },
  { CKA_WRAP, NO, true }, { CKA_UNWRAP, NO, false }, { CKA_ENCRYPT, NO, true }, { CKA_DECRYPT, NO, false },
  { CKA_SIGN_RECOVER, NO, false }, { CKA_VERIFY_RECOVER, NO, true }, { CKA_MODIFIABLE, NO, false }, { CKA_COPYABLE, NO, false },
};
static const struct attribute_rule rsa_private[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false }, { CKA_SUBJECT, ANY, false },
  { CKA_SIGN, ANY, false }, { CKA_DECRYPT, ANY, false }, { CKA_EXTRACTABLE, ANY, false }, { CKA_UNWRAP, ANY, false },
  { CKA_TOKEN, YES, false }, { CKA_SENSITIVE, YES, false }, { CKA_PRIVATE, YES, false }, { CKA_DESTROYABLE, YES, false },
  { CKA_WRAP, NO, true }, { CKA_DERIVE, NO, false }, { CKA_ENCRYPT, NO, true }, { CKA_SIGN_RECOVER, NO, false },
  { CKA_VERIFY, NO, true }, { CKA_VERIFY_RECOVER, NO, true }, { CKA_MODIFIABLE, NO, false }, { CKA_COPYABLE, NO, false },
};
static const struct attribute_rule ec_public[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false }, { CKA_EC_PARAMS, ANY, false },
  { CKA_VERIFY, ANY, false }, { CKA_DERIVE, ANY, false }, { CKA_TOKEN, YES, false }, { CKA_EXTRACTABLE, YES, true },
  { CKA_DESTROYABLE, YES, false }, { CKA_PRIVATE, NO, false }, { CKA_SENSITIVE, NO, true }, { CKA_MODIFIABLE, NO, false },
  { CKA_COPYABLE, NO, false }, { CKA_ENCRYPT, NO, false }, { CKA_DECRYPT, NO, true }, { CKA_WRAP, NO, false }, { CKA_UNWRAP, NO, true },
  { CKA_SIGN, NO, true }, { CKA_SIGN_RECOVER, NO, true }, { CKA_VERIFY_RECOVER, NO, false }, { CKA_ALWAYS_AUTHENTICATE, NO, true },
};
static const struct attribute_rule rsa_public[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false },
  { CKA_MODULUS_BITS, ANY, false }, { CKA_PUBLIC_EXPONENT, ANY, false }, { CKA_VERIFY, ANY, false }, { CKA_ENCRYPT, ANY, false },
  { CKA_WRAP, ANY, false }, { CKA_UNWRAP, ANY, true }, { CKA_TOKEN, YES, false }, { CKA_EXTRACTABLE, YES, true },
  { CKA_DESTROYABLE, YES, false }, { CKA_PRIVATE, NO, false }, { CKA_SENSITIVE, NO, true }, { CKA_MODIFIABLE, NO, false },
  { CKA_COPYABLE, NO, false }, { CKA_DECRYPT, NO, true }, { CKA_SIGN, NO, true }, { CKA_DERIVE, NO, false },
  { CKA_SIGN_RECOVER, NO, true }, { CKA_VERIFY_RECOVER, NO, false }, { CKA_ALWAYS_AUTHENTICATE, NO, true },
};
#define YUBIHSM_RULES(table) RULES(table, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID)
static const struct template_rules aes_rules = YUBIHSM_RULES(aes_key), hmac_rules = YUBIHSM_RULES(hmac_key);
static const struct template_rules ec_private_rules = YUBIHSM_RULES(ec_private), ec_public_rules = YUBIHSM_RULES(ec_public);
static const struct template_rules rsa_private_rules = YUBIHSM_RULES(rsa_private), rsa_public_rules = YUBIHSM_RULES(rsa_public);

static const CK_KEY_TYPE generic_secret = CKK_GENERIC_SECRET;
static const CK_ULONG hmac_bytes = 64;

bool yubihsm_offers(CK_MECHANISM_TYPE type) {
  for (size_t i = 0; i < sizeof offered / sizeof *offered; i++) {
    if (offered[i] == type) return true;
  }
  return false;
}

/* Objects without an id get one from the device. */
static void default_id(struct template *made, CK_BYTE id[2]) {
  if (getrandom(id, 2, 0) != 2) fatal("no random bytes");
  default_attribute(made, CKA_ID, id, 2);
}

static void token_object(struct template *made, bool private) {
  default_bool(made, CKA_TOKEN, true);
  default_bool(made, CKA_PRIVATE, private);
}

static void secret_defaults(struct template *made, CK_BYTE id[2]) {
  static const CK_ATTRIBUTE_TYPE off[] = {
    CKA_EXTRACTABLE, CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE,
  };
  token_object(made, true);
  default_bool(made, CKA_SENSITIVE, true);
  default_bools(made, off, sizeof off / sizeof *off, false);
  default_id(made, id);
}

/* What the device checks before it makes a secret key. */
static CK_RV check_secret(const struct generation *wanted, bool hmac) {
  CK_RV rv = check_template(hmac ? &hmac_rules : &aes_rules, wanted->items, wanted->count);
  if (rv != CKR_OK) return rv;
  CK_KEY_TYPE type = ulong_attribute(wanted->items, wanted->count, CKA_KEY_TYPE, hmac ? 0 : CKK_AES);
  if (hmac && type != CKK_SHA256_HMAC) return CKR_TEMPLATE_INCONSISTENT;
  const CK_ATTRIBUTE *id = find_attribute(wanted->items, wanted->count, CKA_ID);
  const CK_ATTRIBUTE *label = find_attribute(wanted->items, wanted->count, CKA_LABEL);
  if (yubihsm_has(wanted->session, CKO_SECRET_KEY, hmac ? CKK_GENERIC_SECRET : CKK_AES, id)) return CKR_ATTRIBUTE_VALUE_INVALID;
  return yubihsm_room_for(wanted->session, yubihsm_needs_helper(id, label) ? 2 : 1);
}

CK_RV yubihsm_generate_key(const struct generation *wanted, CK_OBJECT_HANDLE *key) {
  CK_BYTE id[2];
  bool hmac = wanted->mechanism->mechanism == CKM_GENERIC_SECRET_KEY_GEN;
  if (!hmac && wanted->mechanism->mechanism != CKM_AES_KEY_GEN) return CKR_MECHANISM_INVALID;
  if (find_attribute(wanted->items, wanted->count, CKA_VALUE)) return CKR_TEMPLATE_INCONSISTENT;
  CK_ULONG length = ulong_attribute(wanted->items, wanted->count, CKA_VALUE_LEN, 0);
  CK_RV rv = check_secret(wanted, hmac);
  if (rv != CKR_OK) return rv;
  if (!hmac && length != 16 && length != 24 && length != 32) return CKR_ATTRIBUTE_VALUE_INVALID;
  struct template made = copy_template(hmac ? &hmac_rules : &aes_rules, wanted->items, wanted->count);
  secret_defaults(&made, id);
  if (hmac) {
    set_attribute(&made, CKA_KEY_TYPE, &generic_secret, sizeof generic_secret);
    set_attribute(&made, CKA_VALUE_LEN, &hmac_bytes, sizeof hmac_bytes);
  }
  return real->C_GenerateKey(wanted->session, wanted->mechanism, made.items, made.count, key);
}

CK_RV yubihsm_create(const struct generation *wanted, CK_OBJECT_HANDLE *object) {
  CK_BYTE id[2];
  bool hmac = ulong_attribute(wanted->items, wanted->count, CKA_KEY_TYPE, CKK_AES) != CKK_AES;
  if (ulong_attribute(wanted->items, wanted->count, CKA_CLASS, CKO_DATA) != CKO_SECRET_KEY) {
    return real->C_CreateObject(wanted->session, (CK_ATTRIBUTE *)wanted->items, wanted->count, object);
  }
  if (find_attribute(wanted->items, wanted->count, CKA_VALUE_LEN)) return CKR_TEMPLATE_INCONSISTENT;
  CK_RV rv = check_secret(wanted, hmac);
  if (rv != CKR_OK) return rv;
  struct template made = copy_template(hmac ? &hmac_rules : &aes_rules, wanted->items, wanted->count);
  secret_defaults(&made, id);
  if (hmac) set_attribute(&made, CKA_KEY_TYPE, &generic_secret, sizeof generic_secret);
  return real->C_CreateObject(wanted->session, made.items, made.count, object);
}

/* What is not asked for, the key cannot do; the public key verifies what the private one signs. */
static void pair_defaults(struct template *ours, struct template *theirs) {
  static const CK_ATTRIBUTE_TYPE of_public[] = { CKA_ENCRYPT, CKA_VERIFY_RECOVER, CKA_WRAP, CKA_DERIVE };
  static const CK_ATTRIBUTE_TYPE of_private[] = { CKA_EXTRACTABLE, CKA_SIGN, CKA_SIGN_RECOVER, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE };
  token_object(ours, false);
  token_object(theirs, true);
  default_bool(theirs, CKA_SENSITIVE, true);
  default_bools(theirs, of_private, sizeof of_private / sizeof *of_private, false);
  default_bools(ours, of_public, sizeof of_public / sizeof *of_public, false);
  const CK_ATTRIBUTE *sign = find_attribute(theirs->items, theirs->count, CKA_SIGN);
  set_attribute(ours, CKA_VERIFY, sign->pValue, sign->ulValueLen);
}

static bool differ(const CK_ATTRIBUTE *of_public, const CK_ATTRIBUTE *of_private) {
  if (!of_public) return false;
  return !of_private || of_public->ulValueLen != of_private->ulValueLen
    || memcmp(of_public->pValue, of_private->pValue, of_public->ulValueLen) != 0;
}

/* One object for both keys; a name that the public key has for itself needs the helper, too. */
static CK_RV check_pair(const struct generation *wanted, CK_KEY_TYPE type) {
  const CK_ATTRIBUTE *id = find_attribute(wanted->private_items, wanted->private_count, CKA_ID);
  const CK_ATTRIBUTE *label = find_attribute(wanted->private_items, wanted->private_count, CKA_LABEL);
  bool helper = yubihsm_needs_helper(id, label)
    || differ(find_attribute(wanted->items, wanted->count, CKA_ID), id)
    || differ(find_attribute(wanted->items, wanted->count, CKA_LABEL), label);
  if (yubihsm_has(wanted->session, CKO_PRIVATE_KEY, type, id)) return CKR_ATTRIBUTE_VALUE_INVALID;
  return yubihsm_room_for(wanted->session, helper ? 2 : 1);
}

CK_RV yubihsm_generate_pair(const struct generation *wanted, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private) {
  CK_BYTE id[2];
  bool rsa = wanted->mechanism->mechanism == CKM_RSA_PKCS_KEY_PAIR_GEN;
  if (!yubihsm_offers(wanted->mechanism->mechanism)) return CKR_MECHANISM_INVALID;
  const struct template_rules *of_public = rsa ? &rsa_public_rules : &ec_public_rules;
  const struct template_rules *of_private = rsa ? &rsa_private_rules : &ec_private_rules;
  CK_RV rv = check_template(of_public, wanted->items, wanted->count);
  if (rv == CKR_OK) rv = check_template(of_private, wanted->private_items, wanted->private_count);
  if (rv == CKR_OK) rv = check_pair(wanted, rsa ? CKK_RSA : CKK_EC);
  if (rv != CKR_OK) return rv;
  struct template theirs = copy_template(of_private, wanted->private_items, wanted->private_count);
  struct template ours = copy_template(of_public, wanted->items, wanted->count);
  pair_defaults(&ours, &theirs);
  default_id(&theirs, id);
  /* What the public key is not given by itself, it has from its pair. */
  const CK_ATTRIBUTE *shared = find_attribute(theirs.items, theirs.count, CKA_ID);
  default_attribute(&ours, CKA_ID, shared->pValue, shared->ulValueLen);
  const CK_ATTRIBUTE *label = find_attribute(theirs.items, theirs.count, CKA_LABEL);
  if (label) default_attribute(&ours, CKA_LABEL, label->pValue, label->ulValueLen);
  return real->C_GenerateKeyPair(wanted->session, wanted->mechanism, ours.items, ours.count, theirs.items, theirs.count, public, private);
}

/* ALLOWED_MECHANISMS is computed by newer versions and unknown to older ones. */
static bool is_readable(CK_ATTRIBUTE_TYPE type, bool hmac) {
  switch (type) {
    case CKA_CHECK_VALUE: case CKA_KEY_GEN_MECHANISM: case CKA_START_DATE: case CKA_END_DATE: case CKA_ALLOWED_MECHANISMS: return false;
    case CKA_VALUE_LEN: return !hmac;
    default: return true;
  }
}

static bool is_always_false(CK_ATTRIBUTE_TYPE type, CK_OBJECT_CLASS class) {
  return type == CKA_MODIFIABLE || type == CKA_COPYABLE || (type == CKA_DERIVE && class != CKO_PRIVATE_KEY);
}

CK_RV yubihsm_show(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *items, CK_ULONG count, CK_RV rv) {
  static const CK_KEY_TYPE hmac_type = CKK_SHA256_HMAC;
  CK_OBJECT_CLASS class = read_ulong(session, object, CKA_CLASS, CKO_DATA);
  bool hmac = class == CKO_SECRET_KEY && read_ulong(session, object, CKA_KEY_TYPE, CKK_AES) == CKK_GENERIC_SECRET;
  for (CK_ULONG i = 0; i < count; i++) {
    CK_ATTRIBUTE *item = &items[i];
    if (!is_readable(item->type, hmac)) {
      hide_attribute(item);
      rv = CKR_ATTRIBUTE_TYPE_INVALID;
    } else if (item->pValue && item->ulValueLen == sizeof(CK_BBOOL) && is_always_false(item->type, class)) {
      *(CK_BBOOL *)item->pValue = CK_FALSE;
    } else if (item->pValue && item->ulValueLen == sizeof hmac_type && item->type == CKA_KEY_TYPE && hmac) {
      memcpy(item->pValue, &hmac_type, sizeof hmac_type);
    }
  }
  return rv;
}

CK_RV yubihsm_find(CK_SESSION_HANDLE session, CK_ATTRIBUTE *items, CK_ULONG count) {
  struct template wanted = copy_template(NULL, items, items ? count : 0);
  if (ulong_attribute(wanted.items, wanted.count, CKA_KEY_TYPE, 0) == CKK_SHA256_HMAC) {
    set_attribute(&wanted, CKA_KEY_TYPE, &generic_secret, sizeof generic_secret);
  }
  return real->C_FindObjectsInit(session, wanted.items, wanted.count);
}

/* Handles of public keys that went with their private keys: a YubiHSM's handle says that it is one, ours does not. */
static _Atomic CK_OBJECT_HANDLE gone[256];
static _Atomic unsigned gone_count;

static bool was_public(CK_OBJECT_HANDLE object) {
  for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
    if (gone[i] == object) return object != 0;
  }
  return false;
}

/* A public key is a face of its pair: it goes with the private key, and destroying it by itself changes nothing. */
CK_RV yubihsm_destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  CK_OBJECT_CLASS class = read_ulong(session, object, CKA_CLASS, CKO_DATA);
  if (class == CKO_PUBLIC_KEY || was_public(object)) return CKR_OK;
  CK_OBJECT_HANDLE twin = class == CKO_PRIVATE_KEY ? yubihsm_twin(session, object) : 0;
  CK_RV rv = real->C_DestroyObject(session, object);
  if (rv == CKR_OK && twin && real->C_DestroyObject(session, twin) == CKR_OK) gone[gone_count++ % 256] = twin;
  return rv;
}
