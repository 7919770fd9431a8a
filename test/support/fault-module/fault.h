/* Shared by the parts of the fault module. fault.c says what the module is. */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <pkcs11.h>

enum place { PLACE_NONE, PLACE_SLOT, PLACE_SESSION };

/** One call from outside, on its way through the rules. */
struct call {
  const char *function;
  enum place place;
  CK_ULONG where;   /* slot or session */
  CK_BYTE *out;     /* what the caller gets, if it is bytes; else NULL */
  CK_ULONG *length;
  CK_RV rv;
};

/* fault.c */
/** The library behind us; NULL until C_Initialize has loaded it. */
extern CK_FUNCTION_LIST *real;
bool is_function(const char *name);
/** A test that cannot run as written must not pass: says why on stderr and ends the process with 70. */
void fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* parse.c */
unsigned long parse_number(const char *text, int line);

/* rules.c */
/** NULL for none. Read now and again whenever it has changed. */
void set_control_file(const char *path);
/** What stands in the way of this call. True: it is answered already, by call->rv. */
bool rules_before(struct call *call);
/** What is done to an answer; call->rv is what is said at last. */
void rules_after(struct call *call);

#endif
