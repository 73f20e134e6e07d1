/* Logging. One call a fact: a level, a sentence, and typed fields.
 *
 *     tl_log_info("bundle stored", TL_S("bundle", id), TL_I("bytes", size));
 *
 * Written to the journal (native protocol, fields TOWLINE_<KEY>) when stderr is the journal, else to
 * stderr as text or as one JSON object a line. A call site that repeats more than
 * TL_LOG_BURST times in TL_LOG_WINDOW_MS is silenced and the number dropped is reported. Library
 * modules report by tl_err and do not log; `main`, event callbacks and route handlers do, once.
 * Never pass a secret: fields whose key is password, secret, token, key, authorization or cookie are
 * written as "[redacted]" as a second line of defence. Any thread. */
#ifndef TOWLINE_LOG_H
#define TOWLINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#define TL_LOG_BURST 100
#define TL_LOG_WINDOW_MS 10000

enum tl_log_level { TL_LOG_ERROR = 3, TL_LOG_WARNING = 4, TL_LOG_INFO = 6, TL_LOG_DEBUG = 7 };
enum tl_log_format { TL_LOG_AUTO, TL_LOG_TEXT, TL_LOG_JSON, TL_LOG_JOURNAL };

struct tl_log_field {
	const char *key;  /* [a-z0-9_]+ */
	const char *text; /* NULL: `number` counts */
	int64_t number;
};
static inline const char *tl_log_text_(const char *text)
{
	return text ? text : "-";
}
#define TL_S(field_key, value) \
	((struct tl_log_field){.key = (field_key), .text = tl_log_text_(value)})
#define TL_I(field_key, value) \
	((struct tl_log_field){.key = (field_key), .number = (int64_t)(value)})

/* Once at start, before threads. `program` is kept by reference. */
void tl_log_open(const char *program, enum tl_log_format format, enum tl_log_level level);
/* Tests: redirects what is written. NULL restores stderr. `line` is without newline. */
void tl_log_capture(void (*sink)(void *arg, const char *line), void *arg);
bool tl_log_enabled(enum tl_log_level level);

struct tl_log_site { /* one static per call site: the rate limit's memory */
	int64_t window_start_ms;
	unsigned count;
	unsigned dropped;
};
void tl_log_write(struct tl_log_site *site, enum tl_log_level level, const char *message,
		  const struct tl_log_field *fields, size_t count);

#define tl_log_(level, message, ...) \
	do { \
		static struct tl_log_site tl_site_; \
		const struct tl_log_field tl_fields_[] = {{0}, ##__VA_ARGS__}; \
		tl_log_write(&tl_site_, level, message, tl_fields_ + 1, \
			     TL_ARRAY_LEN(tl_fields_) - 1); \
	} while (0)
#define tl_log_error(message, ...) tl_log_(TL_LOG_ERROR, message, ##__VA_ARGS__)
#define tl_log_warning(message, ...) tl_log_(TL_LOG_WARNING, message, ##__VA_ARGS__)
#define tl_log_info(message, ...) tl_log_(TL_LOG_INFO, message, ##__VA_ARGS__)
#define tl_log_debug(message, ...) tl_log_(TL_LOG_DEBUG, message, ##__VA_ARGS__)

/* The field that carries an error's sentence. */
#define TL_ERR(err_pointer) TL_S("error", tl_err_text(err_pointer))

#endif
