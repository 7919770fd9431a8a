#include "template.h"
#include <string.h>

static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static const struct attribute_rule *rule_for(const struct template_rules *rules, CK_ATTRIBUTE_TYPE type) {
  for (size_t i = 0; i < rules->count; i++) {
    if (rules->rules[i].type == type) return &rules->rules[i];
  }
  return NULL;
}

static bool fits(const struct attribute_rule *rule, const CK_ATTRIBUTE *item) {
  if (rule->wanted == ANY) return true;
  if (!item->pValue || item->ulValueLen != sizeof(CK_BBOOL)) return false;
  return (*(const CK_BBOOL *)item->pValue != CK_FALSE) == (rule->wanted == YES);
}

CK_RV check_template(const struct template_rules *rules, const CK_ATTRIBUTE *items, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; i++) {
    const struct attribute_rule *rule = rule_for(rules, items[i].type);
    if (!rule) return rules->unknown;
    if (!fits(rule, &items[i])) return rules->wrong;
  }
  return CKR_OK;
}

static void append(struct template *template, CK_ATTRIBUTE item) {
  if (template->count == TEMPLATE_MAX) fatal("a template of more than %d attributes", TEMPLATE_MAX);
  template->items[template->count++] = item;
}

struct template copy_template(const struct template_rules *rules, const CK_ATTRIBUTE *items, CK_ULONG count) {
  struct template copy = { .count = 0 };
  for (CK_ULONG i = 0; i < count; i++) {
    const struct attribute_rule *rule = rules ? rule_for(rules, items[i].type) : NULL;
    if (!rule || !rule->hidden) append(&copy, items[i]);
  }
  return copy;
}

const CK_ATTRIBUTE *find_attribute(const CK_ATTRIBUTE *items, CK_ULONG count, CK_ATTRIBUTE_TYPE type) {
  for (CK_ULONG i = 0; i < count; i++) {
    if (items[i].type == type) return &items[i];
  }
  return NULL;
}

CK_ULONG ulong_attribute(const CK_ATTRIBUTE *items, CK_ULONG count, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise) {
  const CK_ATTRIBUTE *item = find_attribute(items, count, type);
  CK_ULONG value = otherwise;
  if (item && item->pValue && item->ulValueLen == sizeof value) memcpy(&value, item->pValue, sizeof value);
  return value;
}

void set_attribute(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG length) {
  CK_ATTRIBUTE item = { type, (void *)value, length };
  CK_ATTRIBUTE *there = (CK_ATTRIBUTE *)find_attribute(template->items, template->count, type);
  if (there) *there = item;
  else append(template, item);
}

void default_attribute(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG length) {
  if (!find_attribute(template->items, template->count, type)) set_attribute(template, type, value, length);
}

void default_bool(struct template *template, CK_ATTRIBUTE_TYPE type, bool value) {
  default_attribute(template, type, value ? &yes : &no, sizeof(CK_BBOOL));
}

void default_bools(struct template *template, const CK_ATTRIBUTE_TYPE *types, size_t count, bool value) {
  for (size_t i = 0; i < count; i++) default_bool(template, types[i], value);
}

void hide_attribute(CK_ATTRIBUTE *item) {
  if (item->pValue && item->ulValueLen != CK_UNAVAILABLE_INFORMATION) memset(item->pValue, 0, item->ulValueLen);
  item->ulValueLen = CK_UNAVAILABLE_INFORMATION;
}

CK_ULONG read_ulong(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise) {
  CK_ULONG value = otherwise;
  CK_ATTRIBUTE wanted = { type, &value, sizeof value };
  return real->C_GetAttributeValue(session, object, &wanted, 1) == CKR_OK ? value : otherwise;
}
