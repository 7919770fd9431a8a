/*
 * A PKCS#11 library for tests: it stands in front of another one and breaks in the ways that a control file says (rules.c), or behaves as
 * other vendors' tokens do (imitate.c). Environment, read at every C_Initialize because programs set it after they have loaded us:
 *   FAULT_MODULE   path of the library behind
 *   FAULT_CONTROL  path of the control file; it need not exist
 *   FAULT_IMITATE  imitations that hold for the life of the process, with commas between
 *   FAULT_TRACE    file that gets one line per call: process, function, CKR
 */
#include "fault.h"
#include "imitate.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CK_FUNCTION_LIST *real;

static char real_path[4096];
static int trace = -1;

void fatal(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("fault module: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  _exit(70);
}

/* An empty variable is none: a program that opens one token after another cannot take it away. */
static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

static void load(void) {
  const char *path = variable("FAULT_MODULE");
  if (!path) fatal("FAULT_MODULE does not name the library to stand in front of");
  if (real && strcmp(path, real_path) == 0) return;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) fatal("%s", dlerror());
  CK_C_GetFunctionList get;
  *(void **)&get = dlsym(library, "C_GetFunctionList");
  CK_FUNCTION_LIST *behind;
  if (!get || get(&behind) != CKR_OK) fatal("%s has no C_GetFunctionList that works", path);
  snprintf(real_path, sizeof real_path, "%s", path);
  real = behind;
  build_device();
}

/* Once per C_Initialize, from the one thread that may call it. */
static void read_environment(void) {
  load();
  set_control_file(variable("FAULT_CONTROL"));
  set_imitations(variable("FAULT_IMITATE"));
  if (trace >= 0) close(trace);
  const char *file = variable("FAULT_TRACE");
  trace = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
  if (file && trace < 0) fatal("cannot write to %s", file);
}

/* One write, so that lines of several processes do not mix. */
static void write_trace(const struct call *call) {
  if (trace < 0) return;
  char line[128];
  int length = snprintf(line, sizeof line, "%ld %s 0x%lx\n", (long)getpid(), call->function, call->rv);
  if (write(trace, line, (size_t)length) != length) fatal("cannot write the trace");
}

static bool answered(struct call *call) {
  if (strcmp(call->function, "C_Initialize") == 0) read_environment();
  if (real) return rules_before(call);
  call->rv = CKR_CRYPTOKI_NOT_INITIALIZED;
  return true;
}

static CK_RV finish(struct call *call) {
  write_trace(call);
  return call->rv;
}

static struct call first_value(CK_ATTRIBUTE *template, CK_ULONG count) {
  struct call none = { 0 };
  if (!template || count == 0) return none;
  return (struct call){ .out = template->pValue, .length = &template->ulValueLen };
}

#define NOWHERE PLACE_NONE, 0
#define ON_SLOT(id) PLACE_SLOT, id
#define ON_SESSION(id) PLACE_SESSION, id
#define NOTHING NULL, NULL
#define OUT(bytes, count) bytes, count
#define FIRST(template, count) first_value(template, count).out, first_value(template, count).length
#define FN(name, parameters, arguments, place, output) \
  static CK_RV faulty_##name parameters { \
    struct call call = { #name, place, output, CKR_OK }; \
    if (!answered(&call)) { \
      call.rv = device.name arguments; \
      rules_after(&call); \
    } \
    return finish(&call); \
  }
#include "functions.h"
#undef FN

static CK_RV faulty_C_GetFunctionList(CK_FUNCTION_LIST **list);

/* From the standard's own list of functions: one that functions.h does not have, does not compile. */
#define CK_PKCS11_FUNCTION_INFO(function) .function = faulty_##function,
static CK_FUNCTION_LIST list = {
  .version = { 2, 40 },
#include <pkcs11f.h>
};

static CK_RV faulty_C_GetFunctionList(CK_FUNCTION_LIST **result) {
  if (!result) return CKR_ARGUMENTS_BAD;
  *result = &list;
  return CKR_OK;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **result) {
  return faulty_C_GetFunctionList(result);
}

bool is_function(const char *name) {
#define FN(function, parameters, arguments, place, output) if (strcmp(name, #function) == 0) return true;
#include "functions.h"
#undef FN
  return false;
}
