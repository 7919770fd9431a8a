/* Vendors' ways, in front of the library behind. Each is an imitation after documents and public sources: it proves nothing of a device. */
#ifndef FAULT_IMITATE_H
#define FAULT_IMITATE_H

#include "fault.h"

#define CKM_CLOUDHSM_AES_GCM 0x80001087UL

enum trait {
  IV_AT_INIT = 1 << 0,     /* GCM: the caller's zeroes are overwritten by C_EncryptInit, */
  IV_AT_ENCRYPT = 1 << 1,  /* or by C_Encrypt */
  IV_PREFIX = 1 << 2,      /* a vendor mechanism that puts the IV in front */
  IV_SUFFIX = 1 << 3,      /* the IV comes behind the tag */
  CLOUDHSM = 1 << 4,
  YUBIHSM = 1 << 5,
};

struct imitation {
  unsigned traits;
  CK_RV tag_mismatch;      /* what C_Decrypt says of bytes that do not verify; 0: what the library behind says */
  CK_ULONG objects_max;
  CK_ULONG suffix_bytes;
  /* NULL: those of the library behind */
  const char *manufacturer, *model, *library_manufacturer, *library;
};

/* imitate.c */
/** What the rules stand in front of: the library behind, with the imitations' functions in their places. */
extern CK_FUNCTION_LIST device;
struct imitation imitation(void);
bool imitates(unsigned traits);
/** Once the library behind has been loaded. */
void build_device(void);
/** A comma list, NULL for none. */
void set_imitations(const char *list);
/** Those of the control file come and go with it. */
void forget_controlled_imitations(void);
/** The rest of an `imitate` line. */
void add_controlled_imitation(char **rest, int line);

/* Each puts its functions into `device`; each of these looks at the traits itself, at every call. */
void install_gcm(void);
void install_token(void);
void install_objects(void);

/* yubihsm.c */
bool yubihsm_offers(CK_MECHANISM_TYPE type);

#endif
