/* How two vendors make, show, find and destroy objects; objects.c asks the one that is imitated. */
#ifndef FAULT_VENDORS_H
#define FAULT_VENDORS_H

#include "template.h"

struct generation {
  CK_SESSION_HANDLE session;
  CK_MECHANISM *mechanism;
  const CK_ATTRIBUTE *items; /* of the secret or the public key */
  CK_ULONG count;
  const CK_ATTRIBUTE *private_items;
  CK_ULONG private_count;
};

CK_RV cloudhsm_generate_key(const struct generation *wanted, CK_OBJECT_HANDLE *key);
CK_RV cloudhsm_generate_pair(const struct generation *wanted, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private);
CK_RV cloudhsm_create(const struct generation *wanted, CK_OBJECT_HANDLE *object);
/** After the library behind has answered `rv`. */
CK_RV cloudhsm_show(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *items, CK_ULONG count, CK_RV rv);

CK_RV yubihsm_generate_key(const struct generation *wanted, CK_OBJECT_HANDLE *key);
CK_RV yubihsm_generate_pair(const struct generation *wanted, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private);
CK_RV yubihsm_create(const struct generation *wanted, CK_OBJECT_HANDLE *object);
CK_RV yubihsm_show(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *items, CK_ULONG count, CK_RV rv);
CK_RV yubihsm_find(CK_SESSION_HANDLE session, CK_ATTRIBUTE *items, CK_ULONG count);
CK_RV yubihsm_destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);

/* capacity.c */
/** CKR_DEVICE_MEMORY if so many more would be too many. */
CK_RV yubihsm_room_for(CK_SESSION_HANDLE session, CK_ULONG more);
/** Native ids have two bytes and native labels at most 40; anything else costs a helper object. */
bool yubihsm_needs_helper(const CK_ATTRIBUTE *id, const CK_ATTRIBUTE *label);
/** Two-byte ids are the device's own and unique for a type of key. */
bool yubihsm_has(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class, CK_KEY_TYPE type, const CK_ATTRIBUTE *id);
/** The public key that belongs to a private one; 0 if there is none. */
CK_OBJECT_HANDLE yubihsm_twin(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private);

#endif
