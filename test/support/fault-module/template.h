/* Attribute templates: what a vendor takes, and what the library behind gets instead. */
#ifndef FAULT_TEMPLATE_H
#define FAULT_TEMPLATE_H

#include "imitate.h"

#define TEMPLATE_MAX 64

/** The value an attribute must have, where a vendor takes only one. */
enum wanted { ANY, YES, NO };

struct attribute_rule {
  CK_ATTRIBUTE_TYPE type;
  enum wanted wanted;
  bool hidden; /* the library behind does not take it: it is checked and left out */
};

/** An attribute that is in no rule is refused. */
struct template_rules {
  const struct attribute_rule *rules;
  size_t count;
  CK_RV unknown, wrong;
};

#define RULES(table, unknown, wrong) { table, sizeof table / sizeof *table, unknown, wrong }

/** A template of our own over values that others own. */
struct template {
  CK_ATTRIBUTE items[TEMPLATE_MAX];
  CK_ULONG count;
};

CK_RV check_template(const struct template_rules *rules, const CK_ATTRIBUTE *items, CK_ULONG count);
/** Without what the rules hide. `rules` may be NULL. */
struct template copy_template(const struct template_rules *rules, const CK_ATTRIBUTE *items, CK_ULONG count);
const CK_ATTRIBUTE *find_attribute(const CK_ATTRIBUTE *items, CK_ULONG count, CK_ATTRIBUTE_TYPE type);
/** The value of an attribute that holds a CK_ULONG; `otherwise` if it is not there. */
CK_ULONG ulong_attribute(const CK_ATTRIBUTE *items, CK_ULONG count, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise);
/** Replaces or adds. The value must outlive the template. */
void set_attribute(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG length);
/** Only if the template says nothing of it. */
void default_attribute(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG length);
void default_bool(struct template *template, CK_ATTRIBUTE_TYPE type, bool value);
void default_bools(struct template *template, const CK_ATTRIBUTE_TYPE *types, size_t count, bool value);

/** As after C_GetAttributeValue for one that this object does not have. */
void hide_attribute(CK_ATTRIBUTE *item);
/** A CK_ULONG attribute of an object of the library behind; `otherwise` if it cannot be read. */
CK_ULONG read_ulong(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise);

#endif
