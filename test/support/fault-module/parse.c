/*
 * The control file: one rule per line, # begins a comment.
 *   <function|*> <action> [argument] [nth=N] [every=N] [times=N] [total=N] [pid=N]
 *   imitate <what> [option=value ...]
 * nth: from the N-th matching call of this process on, counted since the rules were read. every: each N-th of them. times: at most so often
 * in each process. total: at most so often in all processes together. pid: only in that process.
 * A control file that we do not understand ends the process: a test would believe in faults that never came.
 */
#include "rules.h"
#include "imitate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *name; enum action action; bool after; } actions[] = {
  { "rv", DO_RV, false }, { "rv-after", DO_RV, true },
  { "delay", DO_DELAY, false }, { "delay-after", DO_DELAY, true },
  { "hang", DO_HANG, false }, { "hang-after", DO_HANG, true },
  { "exit", DO_EXIT, false }, { "exit-after", DO_EXIT, true },
  { "abort", DO_ABORT, false }, { "abort-after", DO_ABORT, true },
  { "kill", DO_KILL, false }, { "kill-after", DO_KILL, true },
  { "logout", DO_LOGOUT, false }, { "drop-sessions", DO_DROP_SESSIONS, false }, { "removed", DO_REMOVED, false },
  { "flip", DO_FLIP, true }, { "short", DO_SHORT, true },
};

unsigned long parse_number(const char *text, int line) {
  char *end;
  unsigned long value = strtoul(text, &end, 0);
  if (end == text || *end || *text == '-') fatal("line %d: %s is not a number", line, text);
  return value;
}

static double parse_ms(const char *text, int line) {
  char *end;
  double ms = strtod(text, &end);
  if (end == text || *end || !(ms >= 0)) fatal("line %d: %s is not a time", line, text);
  return ms;
}

static void parse_action(struct rule *rule, const char *word) {
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    if (strcmp(actions[i].name, word) != 0) continue;
    rule->action = actions[i].action;
    rule->after = actions[i].after;
    return;
  }
  fatal("line %d: there is no action %s", rule->line, word);
}

static bool parse_option(struct rule *rule, const char *word) {
  const struct { const char *name; unsigned long *value; } options[] = {
    { "nth=", &rule->nth }, { "times=", &rule->times }, { "every=", &rule->every }, { "total=", &rule->total },
  };
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    size_t length = strlen(options[i].name);
    if (strncmp(word, options[i].name, length) != 0) continue;
    *options[i].value = parse_number(word + length, rule->line);
    if (*options[i].value == 0) fatal("line %d: %s counts from 1", rule->line, word);
    return true;
  }
  if (strncmp(word, "pid=", 4) != 0) return false;
  rule->pid = (pid_t)parse_number(word + 4, rule->line);
  return true;
}

static void parse_argument(struct rule *rule, const char *word) {
  if (rule->action == DO_RV || rule->action == DO_FLIP) rule->value = parse_number(word, rule->line);
  else if (rule->action == DO_DELAY) rule->ms = parse_ms(word, rule->line);
  else if (rule->action == DO_HANG && strcmp(word, "for-ever") == 0) rule->for_ever = true;
  else fatal("line %d: %s is not understood", rule->line, word);
}

static struct rule parse_rule(const char *function, char **rest, int line) {
  struct rule rule = { .line = line, .anywhere = true };
  if (strcmp(function, "*") != 0 && !is_function(function)) fatal("line %d: there is no function %s", line, function);
  snprintf(rule.function, sizeof rule.function, "%s", function);
  const char *word = strtok_r(NULL, " \t\r", rest);
  if (!word) fatal("line %d: %s does nothing", line, function);
  parse_action(&rule, word);
  bool needs_argument = rule.action == DO_RV || rule.action == DO_DELAY;
  while ((word = strtok_r(NULL, " \t\r", rest))) {
    if (parse_option(&rule, word)) continue;
    parse_argument(&rule, word);
    needs_argument = false;
    rule.anywhere = false;
  }
  if (needs_argument) fatal("line %d: what is to be answered, or how long to wait?", line);
  if (rule.nth == 0) rule.nth = rule.every > 0 ? rule.every : 1;
  return rule;
}

size_t parse_rules(char *text, struct rule rules[RULES_MAX]) {
  size_t count = 0;
  int line = 0;
  forget_controlled_imitations();
  for (char *next = text, *end; next; next = end) {
    line++;
    if ((end = strchr(next, '\n'))) *end++ = '\0';
    next[strcspn(next, "#")] = '\0';
    char *rest;
    const char *word = strtok_r(next, " \t\r", &rest);
    if (!word) continue;
    if (strcmp(word, "imitate") == 0) {
      add_controlled_imitation(&rest, line);
      continue;
    }
    if (count == RULES_MAX) fatal("more than %d rules", RULES_MAX);
    rules[count++] = parse_rule(word, &rest, line);
  }
  return count;
}
