/*
 * Every function of PKCS#11 2.40: FN(name, parameters, arguments, place, output). Names and types are checked against pkcs11.h by the
 * compiler. `place` is where a call acts: ON_SLOT, ON_SESSION or NOWHERE. `output` is what it writes for its caller: OUT(bytes, length),
 * FIRST(template, count) for attributes, or NOTHING. No include guard: it is read several times.
 */
FN(C_Initialize, (void *args), (args), NOWHERE, NOTHING)
FN(C_Finalize, (void *reserved), (reserved), NOWHERE, NOTHING)
FN(C_GetInfo, (CK_INFO *info), (info), NOWHERE, NOTHING)
FN(C_GetSlotList, (CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *count), (present, slots, count), NOWHERE, NOTHING)
FN(C_GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO *info), (slot, info), ON_SLOT(slot), NOTHING)
FN(C_GetTokenInfo, (CK_SLOT_ID slot, CK_TOKEN_INFO *info), (slot, info), ON_SLOT(slot), NOTHING)
FN(C_GetMechanismList, (CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count), (slot, list, count), ON_SLOT(slot), NOTHING)
FN(C_GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info), (slot, type, info), ON_SLOT(slot), NOTHING)
FN(C_InitToken, (CK_SLOT_ID slot, CK_BYTE *pin, CK_ULONG length, CK_BYTE *label), (slot, pin, length, label), ON_SLOT(slot), NOTHING)
FN(C_InitPIN, (CK_SESSION_HANDLE s, CK_BYTE *pin, CK_ULONG length), (s, pin, length), ON_SESSION(s), NOTHING)
FN(C_SetPIN, (CK_SESSION_HANDLE s, CK_BYTE *old, CK_ULONG m, CK_BYTE *new, CK_ULONG n), (s, old, m, new, n), ON_SESSION(s), NOTHING)
FN(C_OpenSession, (CK_SLOT_ID slot, CK_FLAGS flags, void *data, CK_NOTIFY notify, CK_SESSION_HANDLE *s),
   (slot, flags, data, notify, s), ON_SLOT(slot), NOTHING)
FN(C_CloseSession, (CK_SESSION_HANDLE s), (s), ON_SESSION(s), NOTHING)
FN(C_CloseAllSessions, (CK_SLOT_ID slot), (slot), ON_SLOT(slot), NOTHING)
FN(C_GetSessionInfo, (CK_SESSION_HANDLE s, CK_SESSION_INFO *info), (s, info), ON_SESSION(s), NOTHING)
FN(C_GetOperationState, (CK_SESSION_HANDLE s, CK_BYTE *out, CK_ULONG *n), (s, out, n), ON_SESSION(s), OUT(out, n))
FN(C_SetOperationState, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG n, CK_OBJECT_HANDLE k, CK_OBJECT_HANDLE a),
   (s, in, n, k, a), ON_SESSION(s), NOTHING)
FN(C_Login, (CK_SESSION_HANDLE s, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG n), (s, user, pin, n), ON_SESSION(s), NOTHING)
FN(C_Logout, (CK_SESSION_HANDLE s), (s), ON_SESSION(s), NOTHING)
FN(C_CreateObject, (CK_SESSION_HANDLE s, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *made), (s, t, n, made), ON_SESSION(s), NOTHING)
FN(C_CopyObject, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *made),
   (s, o, t, n, made), ON_SESSION(s), NOTHING)
FN(C_DestroyObject, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o), (s, o), ON_SESSION(s), NOTHING)
FN(C_GetObjectSize, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ULONG *size), (s, o, size), ON_SESSION(s), NOTHING)
FN(C_GetAttributeValue, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE *t, CK_ULONG n), (s, o, t, n), ON_SESSION(s), FIRST(t, n))
FN(C_SetAttributeValue, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE *t, CK_ULONG n), (s, o, t, n), ON_SESSION(s), NOTHING)
FN(C_FindObjectsInit, (CK_SESSION_HANDLE s, CK_ATTRIBUTE *t, CK_ULONG n), (s, t, n), ON_SESSION(s), NOTHING)
FN(C_FindObjects, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *n), (s, found, max, n), ON_SESSION(s), NOTHING)
FN(C_FindObjectsFinal, (CK_SESSION_HANDLE s), (s), ON_SESSION(s), NOTHING)
FN(C_EncryptInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key), (s, m, key), ON_SESSION(s), NOTHING)
FN(C_Encrypt, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n), (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_EncryptUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n),
   (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_EncryptFinal, (CK_SESSION_HANDLE s, CK_BYTE *out, CK_ULONG *n), (s, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DecryptInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key), (s, m, key), ON_SESSION(s), NOTHING)
FN(C_Decrypt, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n), (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DecryptUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n),
   (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DecryptFinal, (CK_SESSION_HANDLE s, CK_BYTE *out, CK_ULONG *n), (s, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DigestInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m), (s, m), ON_SESSION(s), NOTHING)
FN(C_Digest, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n), (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DigestUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m), (s, in, m), ON_SESSION(s), NOTHING)
FN(C_DigestKey, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key), (s, key), ON_SESSION(s), NOTHING)
FN(C_DigestFinal, (CK_SESSION_HANDLE s, CK_BYTE *out, CK_ULONG *n), (s, out, n), ON_SESSION(s), OUT(out, n))
FN(C_SignInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key), (s, m, key), ON_SESSION(s), NOTHING)
FN(C_Sign, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n), (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_SignUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m), (s, in, m), ON_SESSION(s), NOTHING)
FN(C_SignFinal, (CK_SESSION_HANDLE s, CK_BYTE *out, CK_ULONG *n), (s, out, n), ON_SESSION(s), OUT(out, n))
FN(C_SignRecoverInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key), (s, m, key), ON_SESSION(s), NOTHING)
FN(C_SignRecover, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n), (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_VerifyInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key), (s, m, key), ON_SESSION(s), NOTHING)
FN(C_Verify, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *mac, CK_ULONG n), (s, in, m, mac, n), ON_SESSION(s), NOTHING)
FN(C_VerifyUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m), (s, in, m), ON_SESSION(s), NOTHING)
FN(C_VerifyFinal, (CK_SESSION_HANDLE s, CK_BYTE *mac, CK_ULONG n), (s, mac, n), ON_SESSION(s), NOTHING)
FN(C_VerifyRecoverInit, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE key), (s, m, key), ON_SESSION(s), NOTHING)
FN(C_VerifyRecover, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n),
   (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DigestEncryptUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n),
   (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DecryptDigestUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n),
   (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_SignEncryptUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n),
   (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_DecryptVerifyUpdate, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG m, CK_BYTE *out, CK_ULONG *n),
   (s, in, m, out, n), ON_SESSION(s), OUT(out, n))
FN(C_GenerateKey, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *key),
   (s, m, t, n, key), ON_SESSION(s), NOTHING)
FN(C_GenerateKeyPair, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_ATTRIBUTE *t, CK_ULONG n, CK_ATTRIBUTE *u, CK_ULONG o,
   CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private), (s, m, t, n, u, o, public, private), ON_SESSION(s), NOTHING)
FN(C_WrapKey, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE key, CK_BYTE *out, CK_ULONG *n),
   (s, m, by, key, out, n), ON_SESSION(s), OUT(out, n))
FN(C_UnwrapKey, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE by, CK_BYTE *in, CK_ULONG n, CK_ATTRIBUTE *t, CK_ULONG o,
   CK_OBJECT_HANDLE *key), (s, m, by, in, n, t, o, key), ON_SESSION(s), NOTHING)
FN(C_DeriveKey, (CK_SESSION_HANDLE s, CK_MECHANISM *m, CK_OBJECT_HANDLE from, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *key),
   (s, m, from, t, n, key), ON_SESSION(s), NOTHING)
FN(C_SeedRandom, (CK_SESSION_HANDLE s, CK_BYTE *in, CK_ULONG n), (s, in, n), ON_SESSION(s), NOTHING)
FN(C_GenerateRandom, (CK_SESSION_HANDLE s, CK_BYTE *out, CK_ULONG n), (s, out, n), ON_SESSION(s), OUT(out, &n))
FN(C_GetFunctionStatus, (CK_SESSION_HANDLE s), (s), ON_SESSION(s), NOTHING)
FN(C_CancelFunction, (CK_SESSION_HANDLE s), (s), ON_SESSION(s), NOTHING)
FN(C_WaitForSlotEvent, (CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved), (flags, slot, reserved), NOWHERE, NOTHING)
