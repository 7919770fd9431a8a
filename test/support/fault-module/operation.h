/* What the imitations must remember of a session between C_*Init and its end. */
#ifndef FAULT_OPERATION_H
#define FAULT_OPERATION_H

#include "fault.h"

enum iv_way { IV_PLAIN, IV_WRITTEN_AT_ENCRYPT, IV_IN_FRONT, IV_BEHIND, IV_AWAITED };

struct operation {
  CK_SESSION_HANDLE session; /* 0: this place is free */
  CK_MECHANISM_TYPE mechanism;
  enum iv_way way;
  CK_BYTE iv[16];
  CK_ULONG iv_bytes, tag_bytes;
  CK_BYTE *caller_iv;        /* the caller must keep it alive until C_Encrypt; here it shows whether it did */
  /* IV_AWAITED: C_DecryptInit with the library behind has to wait for the IV, which comes with the data. */
  CK_GCM_PARAMS parameters;
  CK_OBJECT_HANDLE key;
  bool begun;
};

/** NULL if the session has none that matters here. */
struct operation *operation_of(CK_SESSION_HANDLE session);
/** In place of the session's last; never NULL. */
struct operation *begin_operation(struct operation plan);
void end_operation(CK_SESSION_HANDLE session);
void end_all_operations(void);

#endif
