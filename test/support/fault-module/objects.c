#include "vendors.h"

static CK_RV imitate_C_GenerateKey(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *key) {
  const struct generation wanted = { .session = s, .mechanism = m, .items = t, .count = n };
  if (!m || !t || !key) return real->C_GenerateKey(s, m, t, n, key);
  if (imitates(CLOUDHSM)) return cloudhsm_generate_key(&wanted, key);
  if (imitates(YUBIHSM)) return yubihsm_generate_key(&wanted, key);
  return real->C_GenerateKey(s, m, t, n, key);
}

static CK_RV imitate_C_GenerateKeyPair(CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE *u, CK_ULONG o,
    CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private) {
  const struct generation wanted = { s, m, t, n, u, o };
  if (!m || !t || !u || !public || !private) return real->C_GenerateKeyPair(s, m, t, n, u, o, public, private);
  if (imitates(CLOUDHSM)) return cloudhsm_generate_pair(&wanted, public, private);
  if (imitates(YUBIHSM)) return yubihsm_generate_pair(&wanted, public, private);
  return real->C_GenerateKeyPair(s, m, t, n, u, o, public, private);
}

static CK_RV imitate_C_CreateObject(CK_SESSION_HANDLE s, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *object) {
  const struct generation wanted = { .session = s, .items = t, .count = n };
  if (!t || !object) return real->C_CreateObject(s, t, n, object);
  if (imitates(CLOUDHSM)) return cloudhsm_create(&wanted, object);
  if (imitates(YUBIHSM)) return yubihsm_create(&wanted, object);
  return real->C_CreateObject(s, t, n, object);
}

static CK_RV imitate_C_GetAttributeValue(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE *t, CK_ULONG n) {
  CK_RV rv = real->C_GetAttributeValue(s, o, t, n);
  if (!t || (rv != CKR_OK && rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_ATTRIBUTE_SENSITIVE)) return rv;
  if (imitates(CLOUDHSM)) return cloudhsm_show(s, o, t, n, rv);
  if (imitates(YUBIHSM)) return yubihsm_show(s, o, t, n, rv);
  return rv;
}

static CK_RV imitate_C_FindObjectsInit(CK_SESSION_HANDLE s, CK_ATTRIBUTE *t, CK_ULONG n) {
  return imitates(YUBIHSM) ? yubihsm_find(s, t, n) : real->C_FindObjectsInit(s, t, n);
}

static CK_RV imitate_C_DestroyObject(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o) {
  return imitates(YUBIHSM) ? yubihsm_destroy(s, o) : real->C_DestroyObject(s, o);
}

void install_objects(void) {
  device.C_GenerateKey = imitate_C_GenerateKey;
  device.C_GenerateKeyPair = imitate_C_GenerateKeyPair;
  device.C_CreateObject = imitate_C_CreateObject;
  device.C_GetAttributeValue = imitate_C_GetAttributeValue;
  device.C_FindObjectsInit = imitate_C_FindObjectsInit;
  device.C_DestroyObject = imitate_C_DestroyObject;
}
