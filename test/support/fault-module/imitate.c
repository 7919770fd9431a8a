/* Which vendor's ways are on: those of FAULT_IMITATE for the life of the process, those of the control file as long as they stand there. */
#include "imitate.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CK_FUNCTION_LIST device;

/*
 * Names: YubiHSM and nShield as published tools show them, CloudHSM's library too; CloudHSM's token and Luna from memory.
 * CloudHSM writes back at C_Encrypt here: the later of the two moments that its documents allow.
 */
static const struct { const char *name; struct imitation what; } known[] = {
  { "iv-writeback-init", { .traits = IV_AT_INIT } },
  { "iv-writeback-encrypt", { .traits = IV_AT_ENCRYPT } },
  { "iv-prefix", { .traits = IV_PREFIX | IV_AT_ENCRYPT } },
  { "iv-suffix", { .traits = IV_SUFFIX, .suffix_bytes = 16 } },
  { "tag-mismatch", { 0 } },
  { "cloudhsm", { .traits = CLOUDHSM | IV_PREFIX | IV_AT_ENCRYPT, .tag_mismatch = CKR_ENCRYPTED_DATA_INVALID,
    .manufacturer = "Marvell Semiconductors, Inc.", .model = "LS2", .library_manufacturer = "CloudHSM", .library = "CloudHSM PKCS#11" } },
  { "yubihsm", { .traits = YUBIHSM, .tag_mismatch = CKR_ENCRYPTED_DATA_INVALID, .objects_max = 256,
    .manufacturer = "Yubico (www.yubico.com)", .model = "YubiHSM",
    .library_manufacturer = "Yubico (www.yubico.com)", .library = "YubiHSM PKCS#11 Library" } },
  { "luna", { .traits = IV_SUFFIX, .suffix_bytes = 16, .tag_mismatch = CKR_ENCRYPTED_DATA_INVALID,
    .manufacturer = "SafeNet", .model = "LunaSA 7.7.1", .library_manufacturer = "SafeNet", .library = "Chrystoki" } },
  { "nshield", { .traits = IV_AT_INIT, .tag_mismatch = CKR_FUNCTION_FAILED,
    .manufacturer = "nCipher Corp. Ltd", .model = "", .library_manufacturer = "nCipher Corp. Ltd", .library = "nCipher PKCS#11" } },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct imitation fixed, controlled;

static void merge(struct imitation *into, const struct imitation *from) {
  into->traits |= from->traits;
  if (from->tag_mismatch) into->tag_mismatch = from->tag_mismatch;
  if (from->objects_max) into->objects_max = from->objects_max;
  if (from->suffix_bytes) into->suffix_bytes = from->suffix_bytes;
  if (!from->manufacturer) return;
  into->manufacturer = from->manufacturer;
  into->model = from->model;
  into->library_manufacturer = from->library_manufacturer;
  into->library = from->library;
}

struct imitation imitation(void) {
  pthread_mutex_lock(&lock);
  struct imitation both = fixed;
  merge(&both, &controlled);
  pthread_mutex_unlock(&lock);
  return both;
}

bool imitates(unsigned traits) {
  return (imitation().traits & traits) != 0;
}

static void parse_option(struct imitation *what, const char *word, int line) {
  if (strncmp(word, "objects=", 8) == 0) what->objects_max = parse_number(word + 8, line);
  else if (strncmp(word, "iv-bytes=", 9) == 0) what->suffix_bytes = parse_number(word + 9, line);
  else if (strncmp(word, "tag-mismatch=", 13) == 0) what->tag_mismatch = parse_number(word + 13, line);
  else fatal("line %d: there is no option %s", line, word);
  if (what->suffix_bytes > 16) fatal("line %d: an IV has at most 16 bytes", line);
}

/* `name option=value ...`; `tag-mismatch 0xNN` is short for its option. */
static struct imitation parse(char **rest, int line) {
  const char *name = strtok_r(NULL, " \t\r", rest), *word;
  for (size_t i = 0; name && i < sizeof known / sizeof *known; i++) {
    if (strcmp(known[i].name, name) != 0) continue;
    struct imitation what = known[i].what;
    while ((word = strtok_r(NULL, " \t\r", rest))) {
      if (strcmp(name, "tag-mismatch") == 0 && word[0] == '0') what.tag_mismatch = parse_number(word, line);
      else parse_option(&what, word, line);
    }
    return what;
  }
  fatal("line %d: there is no imitation %s", line, name ? name : "without a name");
}

static void add(struct imitation *into, char **rest, int line) {
  struct imitation what = parse(rest, line);
  pthread_mutex_lock(&lock);
  merge(into, &what);
  pthread_mutex_unlock(&lock);
}

void set_imitations(const char *list) {
  pthread_mutex_lock(&lock);
  fixed = (struct imitation){ 0 };
  pthread_mutex_unlock(&lock);
  char *text = strdup(list ? list : ""), *rest = text;
  for (char *item; (item = strsep(&rest, ","));) {
    if (*item) add(&fixed, &item, 0);
  }
  free(text);
}

void build_device(void) {
  device = *real;
  install_gcm();
  install_token();
  install_objects();
}

void forget_controlled_imitations(void) {
  pthread_mutex_lock(&lock);
  controlled = (struct imitation){ 0 };
  pthread_mutex_unlock(&lock);
}

void add_controlled_imitation(char **rest, int line) {
  add(&controlled, rest, line);
}
