/* JSON over jansson: strict parsing of what comes from outside, typed access with clear errors, and
 * canonical output.
 *
 * Objects from outside are read through a table of the members they may have, so that an unknown,
 * missing, ill-typed or out-of-range member is one clear sentence naming it. Any thread; a json_t
 * itself belongs to one thread at a time. */
#ifndef TOWLINE_JSON_H
#define TOWLINE_JSON_H

#include <jansson.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#define TL_JSON_DEPTH_MAX 32

static inline void tl_json_auto_(json_t **json)
{
	json_decref(*json);
}
#define tl_json tl_cleanup(tl_json_auto_) json_t

/* Parses one value: UTF-8, no duplicate members, nothing after it, at most TL_JSON_DEPTH_MAX deep.
 * The caller owns *ret_json. */
TL_MUST_CHECK int tl_json_parse(const char *text, size_t len, json_t **ret_json,
				struct tl_err *err);

enum tl_json_type {
	TL_JSON_TEXT,  /* const char *, max = bytes (0: 256), borrowed from the json_t */
	TL_JSON_NAME,  /* as TEXT, and tl_str_is_name() */
	TL_JSON_ID,    /* as TEXT, and tl_id_is_valid() */
	TL_JSON_INT,   /* int64_t, min..max */
	TL_JSON_BOOL,  /* bool */
	TL_JSON_ARRAY, /* json_t *, at most max elements, borrowed */
	TL_JSON_OBJECT /* json_t *, borrowed */
};

struct tl_json_member {
	const char *name;
	enum tl_json_type type;
	bool required;
	size_t offset; /* of the field in the struct that is filled */
	int64_t min, max;
};

/* Fills *ret_struct from `object` by `members`; fields of absent optional members stay untouched.
 * TL_EINVAL with a sentence such as: member "severity" is not known here. */
TL_MUST_CHECK int tl_json_read(const json_t *object, const struct tl_json_member *members,
			       size_t count, void *ret_struct, struct tl_err *err);

/* One line, members sorted, no blanks: equal values give equal bytes. */
void tl_json_write(struct tl_buf *out, const json_t *json);

#endif
