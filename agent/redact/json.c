#include "redact/redact.h"

#include <string.h>

#define TEXT_MAX (4 * 1024 * 1024)
#define WITHHELD "[withheld: redaction failed]"

static int to_buf(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct tl_buf *out = arg;

	tl_buf_append(out, bytes, len);
	return tl_buf_check(out) < 0
		       ? tl_err_set(err, tl_buf_check(out), "the redacted text is too long")
		       : 0;
}

int tl_redact_text(struct tl_redactor *redactor, const char *text, size_t len, struct tl_buf *out,
		   struct tl_err *err)
{
	int r;

	tl_redactor_begin(redactor, to_buf, out);
	r = tl_redactor_feed(redactor, text, len, err);
	return r < 0 ? r : tl_redactor_flush(redactor, err);
}

/* A secret's end can fall inside a character: then the text is withheld, as JSON cannot hold it. */
static int redact_string(struct tl_redactor *redactor, const char *text, size_t len, json_t *counts,
			 json_t **ret_json, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TEXT_MAX);
	int r = tl_redact_text(redactor, text, len, &out, err);

	if (r < 0)
		return r;
	if (counts)
		tl_redactor_report(redactor, counts);
	*ret_json = json_stringn(tl_buf_str(&out), out.len);
	if (!*ret_json)
		*ret_json = json_string(WITHHELD);
	return *ret_json ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
}

static int redact_array(struct tl_redactor *redactor, const json_t *json, json_t *counts,
			json_t **ret_json, struct tl_err *err)
{
	tl_json *copy = json_array();

	for (size_t i = 0; i < json_array_size(json); i++) {
		json_t *item = NULL;
		int r = tl_redact_json(redactor, json_array_get(json, i), counts, &item, err);

		if (r < 0)
			return r;
		json_array_append_new(copy, item);
	}
	*ret_json = tl_steal(&copy);
	return 0;
}

static int redact_object(struct tl_redactor *redactor, json_t *json, json_t *counts,
			 json_t **ret_json, struct tl_err *err)
{
	tl_json *copy = json_object();
	const char *name;
	json_t *value;

	json_object_foreach(json, name, value)
	{
		tl_json *clean = NULL;
		json_t *item = NULL;
		int r = redact_string(redactor, name, strlen(name), counts, &clean, err);

		if (r == 0)
			r = tl_redact_json(redactor, value, counts, &item, err);
		if (r < 0)
			return r;
		json_object_set_new(copy, json_string_value(clean), item);
	}
	*ret_json = tl_steal(&copy);
	return 0;
}

int tl_redact_json(struct tl_redactor *redactor, const json_t *json, json_t *counts,
		   json_t **ret_json, struct tl_err *err)
{
	tl_json *copy = NULL;
	int r;

	if (json_is_string(json))
		return redact_string(redactor, json_string_value(json), json_string_length(json),
				     counts, ret_json, err);
	if (json_is_array(json))
		return redact_array(redactor, json, counts, ret_json, err);
	copy = json_copy((json_t *)(uintptr_t)json); /* jansson's foreach takes no const */
	if (!copy)
		return tl_err_set(err, TL_ENOMEM, "out of memory for redaction");
	if (!json_is_object(json)) {
		*ret_json = tl_steal(&copy);
		return 0;
	}
	r = redact_object(redactor, copy, counts, ret_json, err);
	return r;
}
