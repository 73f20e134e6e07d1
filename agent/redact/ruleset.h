/* Compiled rules with their gate. Private to agent/redact. */
#ifndef TOWLINE_REDACT_RULESET_H
#define TOWLINE_REDACT_RULESET_H

#include "redact/gate.h"
#include "redact/load.h"
#include "redact/redact.h"

#define RULESET_NAME_MAX 64

struct tl_redact_rules {
	struct rule_set set;
	struct gate gate;
	char name[RULESET_NAME_MAX];
	uint32_t groups; /* the most that one expression has */
};

/* Takes over what is in `set`. */
TL_MUST_CHECK int ruleset_new(struct rule_set *set, const char *name, const char *cache_dir,
			      struct tl_redact_rules **ret_rules, struct tl_err *err);

#endif
