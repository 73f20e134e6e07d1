#include "desk/upload_meta.h"

#include <stddef.h>
#include <string.h>
#include <towline/id.h>
#include <towline/str.h>

enum form { FORM_NAME, FORM_ID, FORM_SHA256, FORM_JWS, FORM_TEXT };

struct meta_key {
	const char *name;
	enum form form;
	size_t offset, size;
};

#define META_KEY(field, field_form) \
	{ \
#field, field_form, offsetof(struct tl_upload_meta, field), \
			sizeof(((struct tl_upload_meta *)0)->field) \
	}

static const struct meta_key meta_keys[] = {
	META_KEY(bundle, FORM_ID),     META_KEY(consent, FORM_JWS), META_KEY(filename, FORM_TEXT),
	META_KEY(jws, FORM_JWS),       META_KEY(kind, FORM_NAME),   META_KEY(session, FORM_ID),
	META_KEY(sha256, FORM_SHA256), META_KEY(ticket, FORM_NAME),
};

static bool has_form(enum form form, const char *text, size_t len)
{
	switch (form) {
	case FORM_NAME:
		return tl_str_is_name(text, 64);
	case FORM_ID:
		return tl_id_is_valid(text);
	case FORM_SHA256:
		return tl_str_is_sha256(text);
	case FORM_JWS:
		return len > 0 &&
		       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-_.") == len;
	case FORM_TEXT:
		return tl_str_is_utf8(text, len);
	}
	return false;
}

static const struct meta_key *find_key(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < TL_ARRAY_LEN(meta_keys); i++)
		if (strlen(meta_keys[i].name) == len && !memcmp(meta_keys[i].name, name, len))
			return &meta_keys[i];
	return NULL;
}

/* One "key base64" pair without the blanks around it. */
static int read_pair(const char *pair, size_t len, struct tl_upload_meta *meta, struct tl_err *err)
{
	const char *blank = memchr(pair, ' ', len);
	size_t name_len = blank ? (size_t)(blank - pair) : len;
	const struct meta_key *key = find_key(pair, name_len);
	char *field;

	if (!key)
		return tl_err_set(err, TL_EINVAL, "Upload-Metadata: key \"%.*s\" is not known here",
				  (int)(name_len < 40 ? name_len : 40), pair);
	field = (char *)meta + key->offset;
	if (*field)
		return tl_err_set(err, TL_EINVAL, "Upload-Metadata: key \"%s\" stands twice",
				  key->name);

	tl_auto(tl_buf) struct tl_buf value = TL_BUF_INIT(key->size - 1);

	if (!blank || tl_base64_decode(&value, blank + 1, len - name_len - 1) ||
	    tl_buf_check(&value))
		return tl_err_set(
			err, TL_EINVAL,
			"Upload-Metadata: the value of \"%s\" is not base64 of at most %zu bytes",
			key->name, key->size - 1);
	if (memchr(tl_buf_str(&value), '\0', value.len) ||
	    !has_form(key->form, tl_buf_str(&value), value.len))
		return tl_err_set(err, TL_EINVAL,
				  "Upload-Metadata: the value of \"%s\" does not have its form",
				  key->name);
	memcpy(field, tl_buf_str(&value), value.len + 1);
	return 0;
}

static int need(const char *value, const char *kind, const char *key, struct tl_err *err)
{
	if (*value)
		return 0;
	return tl_err_set(err, TL_EINVAL, "Upload-Metadata: a %s needs the key \"%s\"", kind, key);
}

static int check_kind(const struct tl_upload_meta *meta, struct tl_err *err)
{
	int r;

	if (tl_streq(meta->kind, "recording"))
		return need(meta->session, "recording", "session", err);
	if (!tl_streq(meta->kind, "bundle"))
		return tl_err_set(err, TL_EINVAL,
				  "Upload-Metadata: kind must be \"bundle\" or \"recording\"");
	if ((r = need(meta->bundle, "bundle", "bundle", err)) ||
	    (r = need(meta->ticket, "bundle", "ticket", err)) ||
	    (r = need(meta->sha256, "bundle", "sha256", err)) ||
	    (r = need(meta->jws, "bundle", "jws", err)))
		return r;
	return need(meta->consent, "bundle", "consent", err);
}

int tl_upload_meta_parse(const char *header, struct tl_upload_meta *ret_meta, struct tl_err *err)
{
	struct tl_upload_meta meta = {.kind = ""};
	const char *at = header;
	int r;

	while (at) {
		const char *comma = strchr(at, ',');
		size_t len = comma ? (size_t)(comma - at) : strlen(at);

		while (len > 0 && *at == ' ')
			at++, len--;
		while (len > 0 && at[len - 1] == ' ')
			len--;
		if ((r = read_pair(at, len, &meta, err)))
			return r;
		at = comma ? comma + 1 : NULL;
	}
	if ((r = check_kind(&meta, err)))
		return r;
	*ret_meta = meta;
	return 0;
}
