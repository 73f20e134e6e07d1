#include "cli/api_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/https.h>

#define TOKEN_MAX 512
#define PAGES_MAX 1000
#define PROBLEM_PREFIX "urn:towline:problem:"

/* One reply: gathered in memory, or written to a descriptor when the status is a success. */
struct reply {
	struct tl_api *api;
	struct tl_buf text;
	int fd;
	struct tl_err write_error;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct reply *reply = arg;
	size_t len = size * count;
	long status = 0;

	curl_easy_getinfo(reply->api->curl, CURLINFO_RESPONSE_CODE, &status);
	if (reply->fd >= 0 && status < 300)
		return tl_fs_write_all(reply->fd, bytes, len, &reply->write_error) == 0 ? len : 0;
	tl_buf_append(&reply->text, bytes, len);
	return tl_buf_check(&reply->text) == 0 ? len : 0;
}

/* HTTP's statuses as error codes, for the exit status. */
static int code_of_status(long status)
{
	static const struct {
		long status;
		int code;
	} rows[] = {{401, TL_EAUTH},	 {403, TL_EDENIED}, {404, TL_ENOENT}, {409, TL_ECONFLICT},
		    {412, TL_ECONFLICT}, {413, TL_ETOOBIG}, {422, TL_EINVAL}, {429, TL_EBUSY},
		    {503, TL_EBUSY},	 {507, TL_ENOSPC}};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		if (rows[i].status == status)
			return rows[i].code;
	return status >= 500 ? TL_EINTERNAL : TL_EINVAL;
}

static void note_problem(struct tl_api *api, const char *type)
{
	if (type && tl_str_starts(type, PROBLEM_PREFIX))
		snprintf(api->problem, sizeof api->problem, "%s", type + strlen(PROBLEM_PREFIX));
}

int tl_api_fail_with_problem(struct tl_api *api, const struct tl_buf *text, long status,
			     struct tl_err *err)
{
	tl_json *problem = NULL;
	const char *detail = NULL;

	if (tl_json_parse(tl_buf_str(text), text->len, &problem, NULL) == 0) {
		note_problem(api, json_string_value(json_object_get(problem, "type")));
		detail = json_string_value(json_object_get(problem, "detail"));
		if (!detail)
			detail = json_string_value(json_object_get(problem, "title"));
	}
	return tl_err_set(err, code_of_status(status), "the relay answered %ld: %s", status,
			  detail ? detail : "no reason given");
}

static int fail_with_transport(const struct tl_api *api, const struct reply *reply, CURLcode code,
			       struct tl_err *err)
{
	if (reply->write_error.code) {
		if (err)
			*err = reply->write_error;
		return reply->write_error.code;
	}
	if (tl_buf_check(&reply->text))
		return tl_err_set(err, TL_ETOOBIG, "the relay's reply is larger than %u MiB",
				  TL_API_REPLY_MAX >> 20);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return tl_err_set(err, TL_EAUTH,
				  "%s is not the relay that you logged in to: its certificate does "
				  "not verify under %s",
				  api->profile.relay,
				  api->profile.ca[0] ? api->profile.ca : "the system's CAs");
	return tl_err_set(err, TL_EUNREACH, "%s cannot be reached: %s", api->profile.relay,
			  api->failure[0] ? api->failure : curl_easy_strerror(code));
}

static int perform(struct tl_api *api, const char *path, struct reply *reply, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf url = TL_BUF_INIT(8192);
	CURLcode code;
	long status = 0;

	tl_buf_printf(&url, "%s%s", api->profile.relay, path);
	if (tl_buf_check(&url))
		return tl_err_set(err, TL_ETOOBIG, "the request's address is too long");
	api->failure[0] = api->problem[0] = '\0';
	curl_easy_setopt(api->curl, CURLOPT_URL, tl_buf_str(&url));
	curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, reply);
	code = curl_easy_perform(api->curl);
	if (code != CURLE_OK)
		return fail_with_transport(api, reply, code, err);
	curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
	return status < 300 ? 0 : tl_api_fail_with_problem(reply->api, &reply->text, status, err);
}

static int read_token(const char *path, struct tl_buf *out, struct tl_err *err)
{
	tl_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open the token file %s", path);
	rc = tl_fs_check_secret(fd, path, err);
	if (rc == 0)
		rc = tl_fs_read_file(AT_FDCWD, path, out, err);
	while (rc == 0 && out->len > 0 && strchr("\r\n \t", out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	if (rc == 0 && (out->len == 0 || strpbrk(tl_buf_str(out), "\r\n")))
		rc = tl_err_set(err, TL_ECONFIG, "%s does not hold one token", path);
	return rc;
}

static int set_up(struct tl_api *api, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf token = TL_BUF_SECRET_INIT(TOKEN_MAX);
	tl_auto(tl_buf) struct tl_buf header = TL_BUF_SECRET_INIT(TOKEN_MAX + 64);
	int rc = read_token(api->profile.token_file, &token, err);

	if (rc == 0)
		rc = tl_https_prepare(api->curl, api->profile.ca[0] ? api->profile.ca : NULL, NULL,
				      err);
	if (rc)
		return rc;
	tl_buf_printf(&header, "Authorization: Bearer %s", tl_buf_str(&token));
	api->headers = curl_slist_append(NULL, tl_buf_str(&header));
	api->headers = curl_slist_append(api->headers, "Content-Type: application/json");
	curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, api->headers);
	curl_easy_setopt(api->curl, CURLOPT_CONNECTTIMEOUT, 15L);
	curl_easy_setopt(api->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(api->curl, CURLOPT_LOW_SPEED_TIME, 60L);
	curl_easy_setopt(api->curl, CURLOPT_ERRORBUFFER, api->failure);
	curl_easy_setopt(api->curl, CURLOPT_USERAGENT, "towline/" TOWLINE_VERSION);
	return 0;
}

int tl_api_open(const struct tl_cli *cli, struct tl_api **ret_api, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = calloc(1, sizeof *api);
	int rc;

	if (!api || !(api->curl = curl_easy_init()))
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	rc = tl_profile_load(cli, &api->profile, err);
	if (rc == 0)
		rc = set_up(api, err);
	if (rc == 0)
		*ret_api = tl_steal(&api);
	return rc;
}

void tl_api_close(struct tl_api *api)
{
	if (!api)
		return;
	for (struct curl_slist *header = api->headers; header; header = header->next)
		tl_wipe(header->data, strlen(header->data));
	curl_slist_free_all(api->headers);
	curl_easy_cleanup(api->curl);
	tl_profile_clear(&api->profile);
	free(api);
}

const struct tl_profile *tl_api_profile(const struct tl_api *api)
{
	return &api->profile;
}

const char *tl_api_problem(const struct tl_api *api)
{
	return api->problem;
}

static int call_json(struct tl_api *api, const char *path, json_t **ret_json, struct tl_err *err)
{
	struct reply reply = {.api = api, .text = TL_BUF_INIT(TL_API_REPLY_MAX), .fd = -1};
	int rc = perform(api, path, &reply, err);

	if (rc == 0 && reply.text.len > 0)
		rc = tl_json_parse(reply.text.data, reply.text.len, ret_json, err);
	else if (rc == 0)
		*ret_json = NULL;
	tl_buf_clear(&reply.text);
	return rc;
}

int tl_api_get(struct tl_api *api, const char *path, json_t **ret_json, struct tl_err *err)
{
	curl_easy_setopt(api->curl, CURLOPT_HTTPGET, 1L);
	return call_json(api, path, ret_json, err);
}

int tl_api_post(struct tl_api *api, const char *path, const json_t *body, json_t **ret_json,
		struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1024 * 1024);

	if (body)
		tl_json_write(&text, body);
	if (tl_buf_check(&text))
		return tl_err_set(err, TL_ETOOBIG, "the request is too large");
	curl_easy_setopt(api->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(api->curl, CURLOPT_POSTFIELDS, tl_buf_str(&text));
	curl_easy_setopt(api->curl, CURLOPT_POSTFIELDSIZE, (long)text.len);
	return call_json(api, path, ret_json, err);
}

int tl_api_fetch(struct tl_api *api, const char *path, struct tl_buf *out, struct tl_err *err)
{
	struct reply reply = {.api = api, .text = TL_BUF_INIT(out->max), .fd = -1};
	int rc;

	curl_easy_setopt(api->curl, CURLOPT_HTTPGET, 1L);
	rc = perform(api, path, &reply, err);
	if (rc == 0)
		tl_buf_append(out, reply.text.data, reply.text.len);
	tl_buf_clear(&reply.text);
	return rc ? rc : tl_buf_check(out);
}

int tl_api_download(struct tl_api *api, const char *path, int fd, struct tl_err *err)
{
	struct reply reply = {.api = api, .text = TL_BUF_INIT(64 * 1024), .fd = fd};
	int rc;

	curl_easy_setopt(api->curl, CURLOPT_HTTPGET, 1L);
	rc = perform(api, path, &reply, err);
	tl_buf_clear(&reply.text);
	return rc;
}

static int add_page(struct tl_api *api, const char *path, const char *cursor, json_t *items,
		    struct tl_buf *next, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf url = TL_BUF_INIT(4096);
	tl_json *page = NULL;
	const json_t *found;
	int rc;

	tl_buf_printf(&url, "%s%climit=200", path, strchr(path, '?') ? '&' : '?');
	if (cursor[0])
		tl_buf_printf(&url, "&after=%s", cursor);
	rc = tl_api_get(api, tl_buf_str(&url), &page, err);
	if (rc)
		return rc;
	found = json_object_get(page, "items");
	if (!json_is_array(found))
		return tl_err_set(err, TL_EPROTO, "the relay's list has no items");
	json_array_extend(items, json_object_get(page, "items"));
	tl_buf_reset(next);
	if (json_is_string(json_object_get(page, "next")))
		tl_buf_puts(next, json_string_value(json_object_get(page, "next")));
	return tl_buf_check(next);
}

int tl_api_list(struct tl_api *api, const char *path, json_t **ret_items, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf cursor = TL_BUF_INIT(512);
	tl_auto(tl_buf) struct tl_buf next = TL_BUF_INIT(512);
	tl_json *items = json_array();

	for (int page = 0; page < PAGES_MAX; page++) {
		int rc = add_page(api, path, tl_buf_str(&cursor), items, &next, err);

		if (rc)
			return rc;
		if (next.len == 0)
			break;
		tl_buf_reset(&cursor);
		tl_buf_puts(&cursor, tl_buf_str(&next));
	}
	*ret_items = tl_steal(&items);
	return 0;
}
