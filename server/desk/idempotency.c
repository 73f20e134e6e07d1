#include "desk/idempotency.h"

#include <stdio.h>
#include <towline/str.h>

#define RESPONSE_MAX (256 * 1024)

int tl_idempotency_read(const struct tl_http_call *call, const char *method, const char *path,
			struct tl_idempotency *ret_idempotency, struct tl_err *err)
{
	const struct tl_principal *principal = tl_http_principal(call);
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(RESPONSE_MAX);
	const char *key = tl_http_header(call, "idempotency-key");
	struct tl_idempotency made = {.key = key, .method = method, .path = path};
	const char *at;

	for (at = key; at && *at; at++)
		if (*at < 0x21 || *at > 0x7e)
			return tl_err_set(err, TL_EINVAL,
					  "Idempotency-Key must be printable ASCII");
	if (key && (!*key || strlen(key) > TL_IDEMPOTENCY_KEY_MAX))
		return tl_err_set(err, TL_EINVAL, "Idempotency-Key must be 1 to %d characters long",
				  TL_IDEMPOTENCY_KEY_MAX);
	snprintf(made.principal, sizeof made.principal, "%s:%s",
		 principal->role & TL_ROLE_HOST ? "host" : "user", principal->id);
	tl_json_write(&body, tl_http_json(call));
	tl_sha256_hex_of(tl_buf_str(&body), body.len, made.request_sha256);
	*ret_idempotency = made;
	return 0;
}

int tl_idempotency_find(struct tl_change *change, const struct tl_idempotency *idempotency,
			json_t **ret_response, struct tl_problem *problem, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r;

	if (!idempotency->key)
		return 0;
	if ((r = tl_store_exec(change->store, "DELETE FROM idempotency WHERE created_ms < $1",
			       TL_ARGS(TL_ARG_INT(change->now_ms - TL_IDEMPOTENCY_LIFE_MS)), NULL,
			       err)))
		return r;
	r = tl_store_row(change->store,
			 "SELECT method, path, request_sha256, response FROM idempotency "
			 "WHERE principal = $1 AND key = $2",
			 TL_ARGS(TL_ARG_TEXT(idempotency->principal),
				 TL_ARG_TEXT(idempotency->key)),
			 &row, err);
	if (r)
		return r == TL_ENOENT ? 0 : r;
	if (!tl_streq(tl_rows_text(row, 0), idempotency->method) ||
	    !tl_streq(tl_rows_text(row, 1), idempotency->path) ||
	    !tl_streq(tl_rows_text(row, 2), idempotency->request_sha256))
		return tl_problem_set(problem, err, 422, "idempotency-key-reused",
				      "another request was sent with this Idempotency-Key");
	r = tl_json_parse(tl_rows_text(row, 3), strlen(tl_rows_text(row, 3)), ret_response, err);
	return r ? r : 1;
}

int tl_idempotency_keep(struct tl_change *change, const struct tl_idempotency *idempotency,
			int status, const json_t *response, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(RESPONSE_MAX);
	int r;

	if (!idempotency->key)
		return 0;
	tl_json_write(&text, response);
	if ((r = tl_buf_check(&text)))
		return tl_err_set(err, r, "the response is too long");
	return tl_store_exec(
		change->store,
		"INSERT INTO idempotency (principal, key, method, path, request_sha256, "
		"status, response, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		TL_ARGS(TL_ARG_TEXT(idempotency->principal), TL_ARG_TEXT(idempotency->key),
			TL_ARG_TEXT(idempotency->method), TL_ARG_TEXT(idempotency->path),
			TL_ARG_TEXT(idempotency->request_sha256), TL_ARG_INT(status),
			TL_ARG_TEXT(tl_buf_str(&text)), TL_ARG_INT(change->now_ms)),
		NULL, err);
}
