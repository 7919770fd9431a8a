/*
 * Objects as AWS CloudHSM has them (Client SDK 5 user guide, "PKCS #11 library attributes tables"): only what its tables list may be said
 * of a key, PRIVATE and MODIFIABLE are always true, VALUE_LEN must be given, and what is left out means something else than with SoftHSM.
 * DESTROYABLE is left out of our tables on purpose, although theirs have it: nobody needs it.
 */
#include "vendors.h"

static const struct attribute_rule secret_key[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false },
  { CKA_VALUE, ANY, false }, { CKA_VALUE_LEN, ANY, false }, { CKA_TOKEN, ANY, false }, { CKA_PRIVATE, YES, false },
  { CKA_MODIFIABLE, YES, false }, { CKA_SENSITIVE, YES, false }, { CKA_EXTRACTABLE, ANY, false }, { CKA_ENCRYPT, ANY, false },
  { CKA_DECRYPT, ANY, false }, { CKA_SIGN, ANY, false }, { CKA_VERIFY, ANY, false }, { CKA_WRAP, ANY, false },
  { CKA_UNWRAP, ANY, false }, { CKA_DERIVE, ANY, false }, { CKA_TRUSTED, ANY, false }, { CKA_WRAP_WITH_TRUSTED, ANY, false },
};
static const struct attribute_rule private_key[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false },
  { CKA_TOKEN, ANY, false }, { CKA_PRIVATE, YES, false }, { CKA_MODIFIABLE, YES, false }, { CKA_SENSITIVE, YES, false },
  { CKA_EXTRACTABLE, ANY, false }, { CKA_DECRYPT, ANY, false }, { CKA_SIGN, ANY, false }, { CKA_UNWRAP, ANY, false },
  { CKA_DERIVE, ANY, false }, { CKA_WRAP_WITH_TRUSTED, ANY, false },
};
static const struct attribute_rule public_key[] = {
  { CKA_CLASS, ANY, false }, { CKA_KEY_TYPE, ANY, false }, { CKA_LABEL, ANY, false }, { CKA_ID, ANY, false },
  { CKA_TOKEN, ANY, false }, { CKA_PRIVATE, YES, false }, { CKA_MODIFIABLE, YES, false }, { CKA_ENCRYPT, ANY, false },
  { CKA_VERIFY, ANY, false }, { CKA_WRAP, ANY, false }, { CKA_DERIVE, NO, false }, { CKA_TRUSTED, ANY, false },
  { CKA_EC_PARAMS, ANY, false }, { CKA_MODULUS_BITS, ANY, false }, { CKA_PUBLIC_EXPONENT, ANY, false },
};
static const struct template_rules secret_rules = RULES(secret_key, CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT);
static const struct template_rules private_rules = RULES(private_key, CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT);
static const struct template_rules public_rules = RULES(public_key, CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT);

/* In no table, so not readable either; ALWAYS_SENSITIVE is in that of private keys alone. */
static const CK_ATTRIBUTE_TYPE unreadable[] = {
  CKA_COPYABLE, CKA_ALLOWED_MECHANISMS, CKA_START_DATE, CKA_END_DATE, CKA_KEY_GEN_MECHANISM, CKA_SIGN_RECOVER, CKA_VERIFY_RECOVER,
};

static void secret_defaults(struct template *made) {
  static const CK_ATTRIBUTE_TYPE on[] = { CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_SIGN, CKA_VERIFY };
  static const CK_ATTRIBUTE_TYPE off[] = { CKA_TOKEN, CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE };
  default_bools(made, on, sizeof on / sizeof *on, true);
  default_bools(made, off, sizeof off / sizeof *off, false);
}

static void private_defaults(struct template *made) {
  static const CK_ATTRIBUTE_TYPE on[] = { CKA_PRIVATE, CKA_SENSITIVE, CKA_EXTRACTABLE };
  static const CK_ATTRIBUTE_TYPE off[] = { CKA_TOKEN, CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP, CKA_DERIVE };
  default_bools(made, on, sizeof on / sizeof *on, true);
  default_bools(made, off, sizeof off / sizeof *off, false);
}

static void public_defaults(struct template *made) {
  static const CK_ATTRIBUTE_TYPE off[] = { CKA_TOKEN, CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP, CKA_DERIVE };
  default_bool(made, CKA_PRIVATE, true);
  default_bools(made, off, sizeof off / sizeof *off, false);
}

CK_RV cloudhsm_generate_key(const struct generation *wanted, CK_OBJECT_HANDLE *key) {
  CK_RV rv = check_template(&secret_rules, wanted->items, wanted->count);
  if (rv != CKR_OK) return rv;
  if (!find_attribute(wanted->items, wanted->count, CKA_VALUE_LEN)) return CKR_TEMPLATE_INCOMPLETE;
  struct template made = copy_template(NULL, wanted->items, wanted->count);
  secret_defaults(&made);
  return real->C_GenerateKey(wanted->session, wanted->mechanism, made.items, made.count, key);
}

CK_RV cloudhsm_generate_pair(const struct generation *wanted, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private) {
  CK_RV rv = check_template(&public_rules, wanted->items, wanted->count);
  if (rv == CKR_OK) rv = check_template(&private_rules, wanted->private_items, wanted->private_count);
  if (rv != CKR_OK) return rv;
  struct template ours = copy_template(NULL, wanted->items, wanted->count);
  struct template theirs = copy_template(NULL, wanted->private_items, wanted->private_count);
  public_defaults(&ours);
  private_defaults(&theirs);
  return real->C_GenerateKeyPair(wanted->session, wanted->mechanism, ours.items, ours.count, theirs.items, theirs.count, public, private);
}

CK_RV cloudhsm_create(const struct generation *wanted, CK_OBJECT_HANDLE *object) {
  struct template made = copy_template(NULL, wanted->items, wanted->count);
  if (ulong_attribute(wanted->items, wanted->count, CKA_CLASS, CKO_DATA) == CKO_SECRET_KEY) {
    CK_RV rv = check_template(&secret_rules, wanted->items, wanted->count);
    if (rv != CKR_OK) return rv;
    secret_defaults(&made);
  }
  return real->C_CreateObject(wanted->session, made.items, made.count, object);
}

static bool is_readable(CK_ATTRIBUTE_TYPE type, CK_OBJECT_CLASS class) {
  for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++) {
    if (type == unreadable[i]) return false;
  }
  return type != CKA_ALWAYS_SENSITIVE || class != CKO_SECRET_KEY;
}

CK_RV cloudhsm_show(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *items, CK_ULONG count, CK_RV rv) {
  CK_OBJECT_CLASS class = read_ulong(session, object, CKA_CLASS, CKO_DATA);
  for (CK_ULONG i = 0; i < count; i++) {
    if (is_readable(items[i].type, class)) continue;
    hide_attribute(&items[i]);
    rv = CKR_ATTRIBUTE_TYPE_INVALID;
  }
  return rv;
}
