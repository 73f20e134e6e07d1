/* Redaction in the stream: bytes go in as they are read, bytes without secrets come out, before
 * anything reaches a disk.
 *
 * Text is looked at in lines; a line longer than the window is looked at in overlapping windows, so
 * that work and memory stay linear. The output does not depend on how the input was cut into pieces.
 * A secret becomes "[redacted:<rule>]". What cannot be examined (a match limit, memory) is left out as
 * "[withheld: redaction failed]" and counted: the redactor fails closed. Input is bytes, in any
 * encoding. One thread at a time; compiled rules may be shared by redactors of one thread. */
#ifndef TOWLINE_REDACT_H
#define TOWLINE_REDACT_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_REDACT_RULESET "towline-2026.1" /* of our own rules */
#define TL_REDACT_PEM_LINES_MAX 400	   /* of a key block that never ends; RSA-16384 takes 220 */

enum tl_redact_level { TL_REDACT_SECRETS, TL_REDACT_IDENTITIES, TL_REDACT_OFF };

struct tl_redact_sources {
	const char *site_dir;  /* *.yaml, in the order of their names; NULL or missing: none */
	const char *cache_dir; /* for what is compiled; NULL: none */
};

struct tl_redact_rules; /* compiled */
/* Our own rules (agent/redact/rules) and the site's. TL_ECONFIG "file:line: …" for what a rule may not
 * say. */
TL_MUST_CHECK int tl_redact_rules_open(const struct tl_redact_sources *sources,
				       struct tl_redact_rules **ret_rules, struct tl_err *err);
/* The rules of one file's text alone. */
TL_MUST_CHECK int tl_redact_rules_parse(const char *name, const char *text, size_t len,
					struct tl_redact_rules **ret_rules, struct tl_err *err);
/* Is the file at `path` a good one? Rules of our own that it disables are there. */
TL_MUST_CHECK int tl_redact_rules_lint(const char *path, struct tl_err *err);
/* What the rules are called in a bundle's manifest: TL_REDACT_RULESET, with a digest of the site's where
 * there are some. */
const char *tl_redact_rules_name(const struct tl_redact_rules *rules);
void tl_redact_rules_free(struct tl_redact_rules *rules);
TL_DEFINE_AUTO_PTR(tl_redact_rules, tl_redact_rules_free);

struct tl_redact_rule_facts {
	const char *id, *description; /* description: may be NULL */
	const char *file;
	size_t line;
};
size_t tl_redact_rules_count(const struct tl_redact_rules *rules);
struct tl_redact_rule_facts tl_redact_rules_facts(const struct tl_redact_rules *rules,
						  size_t index);

struct tl_redact_limits {
	size_t window_bytes;  /* the longest line that is looked at whole */
	size_t overlap_bytes; /* carried from one window to the next; below half a window */
	uint32_t match_limit; /* PCRE2's, for each attempt */
};
extern const struct tl_redact_limits tl_redact_limits_default;

/* Receives output. A negative result stops the feed and is returned by it. */
typedef int tl_redact_output(void *arg, const void *bytes, size_t len, struct tl_err *err);

struct tl_redactor;
TL_MUST_CHECK int tl_redactor_new(const struct tl_redact_rules *rules,
				  const struct tl_redact_limits *limits,
				  struct tl_redactor **ret_redactor, struct tl_err *err);
/* Begins a new text: what was held back of an unfinished one is wiped, counts go to 0. */
void tl_redactor_begin(struct tl_redactor *redactor, tl_redact_output *output, void *arg);
/* The level is SECRETS until it is set. At OFF bytes pass as they are, and the report says so. */
void tl_redactor_set_level(struct tl_redactor *redactor, enum tl_redact_level level);
/* What finds addresses and names (redact/identity.h); stays the caller's. NULL: none are replaced. */
struct tl_identities;
void tl_redactor_set_identities(struct tl_redactor *redactor, struct tl_identities *identities);
/* The path that the text has on the host, for rules that ask for it; copied, and holds until the next. NULL: none.
 * Before a text's first bytes. */
void tl_redactor_set_path(struct tl_redactor *redactor, const char *path);
TL_MUST_CHECK int tl_redactor_feed(struct tl_redactor *redactor, const void *bytes, size_t len,
				   struct tl_err *err);
/* Ends the text: puts out what is held back. */
TL_MUST_CHECK int tl_redactor_flush(struct tl_redactor *redactor, struct tl_err *err);
/* Lines left out since the last begin. */
uint64_t tl_redactor_withheld(const struct tl_redactor *redactor);
void tl_redactor_free(struct tl_redactor *redactor);
TL_DEFINE_AUTO_PTR(tl_redactor, tl_redactor_free);

/* Adds the counts since the last begin to the object `counts`, rule by rule; "withheld" for what was
 * left out. */
void tl_redactor_report(const struct tl_redactor *redactor, json_t *counts);

/* Redacts one short text (a file name, an argument, a sentence) into `out`, as a text of its own:
 * ends with begin's state. */
TL_MUST_CHECK int tl_redact_text(struct tl_redactor *redactor, const char *text, size_t len,
				 struct tl_buf *out, struct tl_err *err);

/* A copy of `json` whose strings and member names are redacted; counts go to `counts` (may be NULL).
 * The caller owns *ret_json. */
TL_MUST_CHECK int tl_redact_json(struct tl_redactor *redactor, const json_t *json, json_t *counts,
				 json_t **ret_json, struct tl_err *err);

#endif
