#include "session/request.h"

#include <stdio.h>
#include <string.h>
#include <towline/jwt.h>

#include "ssh/keys.h"

#define URL_MAX 2048
#define PATH_LEN_MAX 4096

struct fields {
	const char *session, *relay_url, *ca_file, *proxy, *access_token, *grant;
	const char *ssh_host_key_file, *helper_socket, *state_dir, *lane, *agent_key_file;
	json_t *scopes;
};

#define FIELD(member, json_type, is_required, maximum) \
	{ \
		.name = #member, .type = (json_type), .required = (is_required), \
		.offset = offsetof(struct fields, member), .max = (maximum) \
	}

static const struct tl_json_member members[] = {
	FIELD(session, TL_JSON_ID, true, 0),
	FIELD(relay_url, TL_JSON_TEXT, true, URL_MAX),
	FIELD(ca_file, TL_JSON_TEXT, true, PATH_LEN_MAX),
	FIELD(proxy, TL_JSON_TEXT, false, URL_MAX),
	FIELD(access_token, TL_JSON_TEXT, true, TL_JWT_MAX),
	FIELD(grant, TL_JSON_TEXT, true, TL_JWT_MAX),
	FIELD(ssh_host_key_file, TL_JSON_TEXT, true, PATH_LEN_MAX),
	FIELD(helper_socket, TL_JSON_TEXT, true, PATH_LEN_MAX),
	FIELD(state_dir, TL_JSON_TEXT, true, PATH_LEN_MAX),
	FIELD(lane, TL_JSON_TEXT, true, 32),
	FIELD(agent_key_file, TL_JSON_TEXT, true, PATH_LEN_MAX),
	FIELD(scopes, TL_JSON_ARRAY, false, 8),
};

/* ["terminal","exec"] → bits. */
static int read_scopes(const json_t *list, unsigned *ret_scopes, struct tl_err *err)
{
	unsigned scopes = 0;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		unsigned one = 0;
		int rc = json_is_string(item) ? tl_scopes_parse(json_string_value(item), &one, err)
					      : tl_err_set(err, TL_EINVAL, "a scope is no text");

		if (rc != 0)
			return rc;
		scopes |= one;
	}
	*ret_scopes = scopes;
	return 0;
}

static int read_keys(const json_t *claims, struct tl_strv *keys, struct tl_err *err)
{
	const json_t *list = json_object_get(claims, "keys");
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > TL_GRANT_KEYS_MAX)
		return tl_err_set(err, TL_EINVAL, "the grant names no SSH key");
	json_array_foreach(list, i, item)
	{
		tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_SSH_KEY_TEXT_MAX);
		int rc = json_is_string(item)
				 ? tl_ssh_key_of_line(json_string_value(item), &text, err)
				 : tl_err_set(err, TL_EINVAL, "a key in the grant is no text");

		if (rc == 0)
			rc = tl_strv_push(keys, tl_buf_str(&text));
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void copy_text(const json_t *claims, const char *name, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(claims, name));

	snprintf(to, size, "%s", text ? text : "");
}

static int read_grant(struct tl_session_request *request, const struct fields *fields,
		      struct tl_err *err)
{
	tl_json *header = NULL, *claims = NULL;
	unsigned granted = 0;
	int rc = tl_jwt_peek(fields->grant, strlen(fields->grant), &header, &claims, err);

	if (rc == 0 &&
	    !tl_streq(json_string_value(json_object_get(claims, "jti")), fields->session))
		rc = tl_err_set(err, TL_EINVAL, "the grant is for another session");
	if (rc == 0)
		rc = read_scopes(json_object_get(claims, "scopes"), &granted, err);
	request->scopes = granted;
	if (rc == 0 && fields->scopes)
		rc = read_scopes(fields->scopes, &request->scopes, err);
	request->scopes &= granted;
	if (rc == 0)
		rc = read_keys(claims, &request->keys, err);
	if (rc != 0)
		return rc;
	copy_text(claims, "aud", request->host, sizeof(request->host));
	copy_text(claims, "sub", request->engineer, sizeof(request->engineer));
	copy_text(claims, "ticket", request->ticket, sizeof(request->ticket));
	request->max_s = json_integer_value(json_object_get(claims, "max_s"));
	if (request->max_s < 1 || request->max_s > TL_GRANT_SESSION_MAX_S)
		return tl_err_set(err, TL_EINVAL, "the grant's max_s is out of range");
	return 0;
}

int tl_session_request_parse(const char *text, size_t len, struct tl_session_request *ret_request,
			     struct tl_err *err)
{
	struct fields fields = {0};
	int rc;

	memset(ret_request, 0, sizeof(*ret_request));
	rc = tl_json_parse(text, len, &ret_request->json, err);
	if (rc == 0)
		rc = tl_json_read(ret_request->json, members, TL_ARRAY_LEN(members), &fields, err);
	if (rc == 0)
		rc = tl_lane_parse(fields.lane, &ret_request->lane);
	if (rc != 0)
		return rc;
	ret_request->session = fields.session;
	ret_request->relay_url = fields.relay_url;
	ret_request->ca_file = fields.ca_file;
	ret_request->proxy = fields.proxy;
	ret_request->access_token = fields.access_token;
	ret_request->ssh_host_key_file = fields.ssh_host_key_file;
	ret_request->helper_socket = fields.helper_socket;
	ret_request->state_dir = fields.state_dir;
	ret_request->agent_key_file = fields.agent_key_file;
	return read_grant(ret_request, &fields, err);
}

void tl_session_request_clear(struct tl_session_request *request)
{
	json_decref(request->json);
	tl_strv_clear(&request->keys);
	request->json = NULL;
}
