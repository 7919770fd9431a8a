/* What a line of the control file says. */
#ifndef FAULT_RULES_H
#define FAULT_RULES_H

#include "fault.h"
#include <sys/types.h>

#define RULES_MAX 128

enum action {
  DO_RV, DO_DELAY, DO_HANG, DO_LOGOUT, DO_DROP_SESSIONS, DO_REMOVED, DO_EXIT, DO_ABORT, DO_KILL,
  /* These change the output of a call that went well. */
  DO_FLIP, DO_SHORT,
};

struct rule {
  char function[32]; /* or "*" */
  enum action action;
  bool after;        /* once the library behind has done its work */
  bool for_ever;     /* hang: also when the rule is taken away */
  bool anywhere;     /* flip: the position is left to chance */
  CK_ULONG value;    /* rv: what to answer; flip: which bit */
  double ms;
  unsigned long nth, times, every, total;
  pid_t pid;
  int line;
  unsigned long generation; /* of the control file */
  unsigned long seen, applied;
};

/** The rules of a control file's text, which it changes; imitations among them are given to imitate.c. Answers how many there are. */
size_t parse_rules(char *text, struct rule rules[RULES_MAX]);

#endif
