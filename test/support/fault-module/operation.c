#include "operation.h"
#include <pthread.h>

#define OPERATIONS_MAX 1024

/* A session is used by one thread at a time, so only finding a place needs the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct operation operations[OPERATIONS_MAX];

static struct operation *find(CK_SESSION_HANDLE session) {
  for (size_t i = 0; i < OPERATIONS_MAX; i++) {
    if (operations[i].session == session) return &operations[i];
  }
  return NULL;
}

struct operation *operation_of(CK_SESSION_HANDLE session) {
  pthread_mutex_lock(&lock);
  struct operation *found = session ? find(session) : NULL;
  pthread_mutex_unlock(&lock);
  return found;
}

struct operation *begin_operation(struct operation plan) {
  pthread_mutex_lock(&lock);
  struct operation *place = find(plan.session);
  if (!place) place = find(0);
  if (!place) fatal("more than %d operations at once", OPERATIONS_MAX);
  *place = plan;
  pthread_mutex_unlock(&lock);
  return place;
}

void end_operation(CK_SESSION_HANDLE session) {
  pthread_mutex_lock(&lock);
  struct operation *found = session ? find(session) : NULL;
  if (found) *found = (struct operation){ 0 };
  pthread_mutex_unlock(&lock);
}

void end_all_operations(void) {
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < OPERATIONS_MAX; i++) operations[i] = (struct operation){ 0 };
  pthread_mutex_unlock(&lock);
}
