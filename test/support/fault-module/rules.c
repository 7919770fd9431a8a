/* Which rules of the control file meet a call, and what they do to it. The syntax is in parse.c. */
#include "rules.h"
#include "imitate.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STEPS_MAX 16
static const double recheck_ms = 20;

/* Guards all that follows; not held while a call waits or is with the library behind. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char control[4096];
static struct stat seen_file;
static unsigned long generation;
static struct rule rules[RULES_MAX];
static size_t rule_count;
static bool removed;
static _Thread_local unsigned chance;

static bool is_same(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec
    && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void take_text(char *text) {
  rule_count = parse_rules(text, rules);
  generation++;
  for (size_t i = 0; i < rule_count; i++) rules[i].generation = generation;
  removed = false;
}

static void read_control(void) {
  int file = open(control, O_RDONLY | O_CLOEXEC);
  struct stat now;
  if (file < 0 && errno == ENOENT) return; /* taken away this moment: the next call sees it */
  if (file < 0 || fstat(file, &now) != 0) fatal("cannot read %s", control);
  char *text = calloc(1, (size_t)now.st_size + 1);
  if (!text || read(file, text, (size_t)now.st_size) != now.st_size) fatal("cannot read %s", control);
  close(file);
  take_text(text);
  free(text);
  seen_file = now;
}

static void refresh_locked(void) {
  struct stat now;
  if (!*control) return;
  if (stat(control, &now) == 0) {
    if (!is_same(&now, &seen_file)) read_control();
  } else if (seen_file.st_ino != 0) {
    char nothing[] = "";
    take_text(nothing);
    seen_file = (struct stat){ 0 };
  }
}

void set_control_file(const char *path) {
  pthread_mutex_lock(&lock);
  if (!path || strcmp(path, control) != 0) {
    char nothing[] = "";
    take_text(nothing);
    seen_file = (struct stat){ 0 };
    snprintf(control, sizeof control, "%s", path ? path : "");
  }
  pthread_mutex_unlock(&lock);
}

static bool concerns(const struct rule *rule, const char *function) {
  return (rule->function[0] == '*' || strcmp(rule->function, function) == 0) && (rule->pid == 0 || rule->pid == getpid());
}

/* A file per claim beside the control file: the one who makes it has it, whichever process that is. */
static bool claim(const struct rule *rule) {
  for (unsigned long n = 0; n < rule->total; n++) {
    char path[sizeof control + 96];
    snprintf(path, sizeof path, "%s.claim.%lu-%ld-%ld.%d.%lu", control, (unsigned long)seen_file.st_ino,
      (long)seen_file.st_mtim.tv_sec, seen_file.st_mtim.tv_nsec, rule->line, n);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file >= 0) return close(file) == 0;
    if (errno != EEXIST && errno != ENOENT) fatal("cannot make %s", path);
  }
  return false;
}

/* Counts, so it is asked once for each call that the rule concerns. */
static bool is_due(struct rule *rule) {
  rule->seen++;
  if (rule->seen < rule->nth || (rule->every > 0 && (rule->seen - rule->nth) % rule->every != 0)) return false;
  if (rule->times > 0 && rule->applied >= rule->times) return false;
  if (rule->total > 0 && !claim(rule)) return false;
  rule->applied++;
  return true;
}

static bool changes_output(const struct rule *rule) {
  return rule->action == DO_FLIP || rule->action == DO_SHORT;
}

/* Nothing behind these will happen. */
static bool is_last(const struct rule *rule) {
  return rule->action == DO_RV || rule->action == DO_REMOVED
    || rule->action == DO_EXIT || rule->action == DO_ABORT || rule->action == DO_KILL;
}

static size_t due_steps(const struct call *call, bool after, bool has_output, struct rule steps[STEPS_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < rule_count && count < STEPS_MAX; i++) {
    struct rule *rule = &rules[i];
    if (rule->after != after || !concerns(rule, call->function) || (changes_output(rule) && !has_output) || !is_due(rule)) continue;
    steps[count++] = *rule;
    if (is_last(rule) && !after) break;
  }
  return count;
}

static void wait_ms(double ms) {
  prctl(PR_SET_TIMERSLACK, 1000UL);
  struct timespec left = { .tv_sec = (time_t)(ms / 1000) };
  left.tv_nsec = (long)((ms - (double)left.tv_sec * 1000) * 1e6);
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

/* Also in a newer control file some rule may let this call hang. */
static bool still_hangs(const struct call *call, const struct rule *rule) {
  pthread_mutex_lock(&lock);
  refresh_locked();
  bool hangs = generation == rule->generation;
  for (size_t i = 0; i < rule_count && !hangs; i++) {
    hangs = rules[i].action == DO_HANG && rules[i].after == rule->after && concerns(&rules[i], call->function);
  }
  pthread_mutex_unlock(&lock);
  return hangs;
}

static void hang(const struct call *call, const struct rule *rule) {
  while (rule->for_ever) pause();
  while (still_hangs(call, rule)) wait_ms(recheck_ms);
}

/* Every slot with a token, if the call does not say which one it is about. */
static CK_ULONG slots_of(const struct call *call, CK_SLOT_ID *slots, CK_ULONG max) {
  CK_SESSION_INFO info;
  if (call->place == PLACE_SLOT) slots[0] = call->where;
  else if (call->place == PLACE_SESSION && device.C_GetSessionInfo(call->where, &info) == CKR_OK) slots[0] = info.slotID;
  else return device.C_GetSlotList(CK_TRUE, slots, &max) == CKR_OK ? max : 0;
  return 1;
}

static void drop_sessions(const struct call *call) {
  CK_SLOT_ID slots[16];
  CK_ULONG count = slots_of(call, slots, 16);
  for (CK_ULONG i = 0; i < count; i++) device.C_CloseAllSessions(slots[i]);
}

static void log_out(const struct call *call) {
  CK_SLOT_ID slots[16];
  CK_ULONG count = slots_of(call, slots, 16);
  for (CK_ULONG i = 0; i < count; i++) {
    CK_SESSION_HANDLE session;
    if (device.C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK) continue;
    device.C_Logout(session);
    device.C_CloseSession(session);
  }
}

static void abort_without_core(void) {
  const struct rlimit none = { 0, 0 };
  setrlimit(RLIMIT_CORE, &none);
  abort();
}

/* PKCS#11 2.40, section 5.6: with the token go its sessions. They stay gone when it is back. */
static void remove_device(void) {
  const struct call everywhere = { .place = PLACE_NONE };
  drop_sessions(&everywhere);
}

static void flip(struct call *call, const struct rule *rule) {
  CK_ULONG bit = rule->value;
  if (rule->anywhere) {
    if (chance == 0) chance = (unsigned)getpid();
    bit = (CK_ULONG)rand_r(&chance);
  }
  bit %= *call->length * 8;
  call->out[bit / 8] ^= (CK_BYTE)(1u << (bit % 8));
}

/* True: the call is answered. */
static bool take_step(struct call *call, const struct rule *rule) {
  switch (rule->action) {
    case DO_RV: call->rv = rule->value; return true;
    case DO_REMOVED: call->rv = CKR_DEVICE_REMOVED; return true;
    case DO_DELAY: wait_ms(rule->ms); return false;
    case DO_HANG: hang(call, rule); return false;
    case DO_LOGOUT: log_out(call); return false;
    case DO_DROP_SESSIONS: drop_sessions(call); return false;
    case DO_EXIT: _exit(1);
    case DO_ABORT: abort_without_core(); return true;
    case DO_KILL: raise(SIGKILL); return true;
    case DO_FLIP: flip(call, rule); return false;
    case DO_SHORT: *call->length -= 1; return false;
  }
  return false;
}

/* The library behind forgets even when its device is gone; else it would still know old sessions after the next C_Initialize. */
static void finalize_behind(const struct call *call) {
  if (strcmp(call->function, "C_Finalize") == 0) device.C_Finalize(NULL);
}

bool rules_before(struct call *call) {
  struct rule steps[STEPS_MAX];
  pthread_mutex_lock(&lock);
  refresh_locked();
  bool gone = removed;
  size_t count = gone ? 0 : due_steps(call, false, false, steps);
  bool goes = count > 0 && steps[count - 1].action == DO_REMOVED;
  if (goes) removed = true;
  pthread_mutex_unlock(&lock);
  if (goes) remove_device();
  bool answered = gone;
  if (gone) call->rv = CKR_DEVICE_REMOVED;
  for (size_t i = 0; i < count && !answered; i++) answered = take_step(call, &steps[i]);
  if (gone || goes || (answered && steps[count - 1].function[0] == '*')) finalize_behind(call);
  return answered;
}

void rules_after(struct call *call) {
  struct rule steps[STEPS_MAX];
  bool has_output = call->rv == CKR_OK && call->out && call->length && *call->length > 0 && *call->length != CK_UNAVAILABLE_INFORMATION;
  pthread_mutex_lock(&lock);
  size_t count = due_steps(call, true, has_output, steps);
  pthread_mutex_unlock(&lock);
  for (size_t i = 0; i < count; i++) take_step(call, &steps[i]);
}
