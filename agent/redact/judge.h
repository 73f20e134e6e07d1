/* Whether what an expression found is a secret: keywords near by, entropy, allowlists. Private to
 * agent/redact. */
#ifndef TOWLINE_REDACT_JUDGE_H
#define TOWLINE_REDACT_JUDGE_H

#include "redact/rule.h"

#define JUDGE_NEAR 1024 /* a keyword stands within so many bytes of the match, in its line */

/* A find, with the line that it is in. */
struct find {
	const char *line;
	size_t line_len;
	size_t match_start, match_end; /* in the line */
	size_t start, end;	       /* of the secret */
	const char *path;	       /* NULL: unknown */
	bool keyed;		       /* a keyword is near by: nobody needs to look */
};

/* `data` is for its own matching. What cannot be found out counts as a secret. */
bool judge_is_secret(const struct rule *rule, const struct allowlists *common,
		     const struct find *find, pcre2_match_data *data);

/* What an allowlist, of the rule or common, spares. */
bool judge_is_allowed(const struct rule *rule, const struct allowlists *common,
		      const struct find *find, pcre2_match_data *data);

/* Shannon's, in bits a byte. */
double judge_entropy(const char *bytes, size_t len);

/* Does the path fit? A rule or a list that asks for a path does not apply where none is known. */
bool judge_path(const pcre2_code *code, const char *path, pcre2_match_data *data);

#endif
