/* One value of a configuration: its text turned into the field of the struct. */
#ifndef COMMON_CONF_VALUE_H
#define COMMON_CONF_VALUE_H

#include <towline/conf.h>

/* Sets the field of `key` in `config` from `text`. `dir` resolves relative paths. What the field
 * held is freed. On failure `err` holds a sentence that starts with the key's name. */
TL_MUST_CHECK int conf_value_set(const struct tl_conf_key *key, const char *dir, const char *text,
				 void *config, struct tl_err *err);

/* Appends one item to a LIST. */
TL_MUST_CHECK int conf_value_add(const struct tl_conf_key *key, const char *text, void *config,
				 struct tl_err *err);

/* Sets the field from default_text: lists are cut at commas. */
TL_MUST_CHECK int conf_value_set_default(const struct tl_conf_key *key, const char *dir,
					 void *config, struct tl_err *err);

void conf_value_clear(const struct tl_conf_key *key, void *config);

/* What the key accepts, in words: "a duration from 1s to 1h". */
void conf_value_describe(const struct tl_conf_key *key, struct tl_buf *out);

#endif
