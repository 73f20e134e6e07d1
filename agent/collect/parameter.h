/* What a profile may be given by the person who asks ("service:nginx.service"): a name of a checked kind
 * that stands for {unit} and the like in the sources of its collectors. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PARAMETER_H
#define TOWLINE_COLLECT_PARAMETER_H

#include <stdbool.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#define PARAMETER_VALUE_MAX 255

struct parameter {
	const char *name;  /* "unit"; NULL: none */
	const char *value; /* checked */
};

/* True for "unit", "container", "device", "interface" and "user". */
bool parameter_is_known(const char *name);
/* TL_EINVAL with a sentence that says what the value may hold. */
TL_MUST_CHECK int parameter_check(const char *name, const char *value, struct tl_err *err);
/* The parameter that the text asks for, static storage; NULL: none. TL_EINVAL for one that nobody knows:
 * lower-case letters between single braces. */
TL_MUST_CHECK int parameter_find(const char *text, const char **ret_name, struct tl_err *err);
/* The text with the value in its place. */
void parameter_fill(const char *text, const struct parameter *parameter, struct tl_buf *out);

#endif
