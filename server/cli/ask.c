/* Asking for a session: what the engineer wants, signed by the engineer's key, handed to the relay. */
#include "cli/ask.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <towline/clock.h>
#include <towline/statement.h>

#include "cli/signing.h"

#define EARLY_MS 60000	       /* the endpoint's clock may be behind */
#define LIFE_MS 600000	       /* for consent and connecting */
#define DOMAIN_NAME ".towline" /* of ssh-config's hosts */
#define PATH_BYTES 600

struct tl_target {
	const char *relay, *engineer, *host, *host_name, *ticket, *summary;
	json_t *keys;
	int64_t max_s;
};

struct named {
	const char *id, *name, *number, *summary;
};

/* ---- the target -------------------------------------------------------------------------------- */

static int read_target(const json_t *json, struct tl_target *target, struct tl_err *err)
{
	static const struct tl_json_member host_members[] = {
		{"id", TL_JSON_ID, true, offsetof(struct named, id)},
		{"name", TL_JSON_NAME, true, offsetof(struct named, name), 0, 255},
	};
	static const struct tl_json_member ticket_members[] = {
		{"number", TL_JSON_NAME, true, offsetof(struct named, number), 0, 32},
		{"summary", TL_JSON_TEXT, true, offsetof(struct named, summary), 1, 512},
	};
	static const struct tl_json_member members[] = {
		{"engineer", TL_JSON_NAME, true, offsetof(struct tl_target, engineer), 0, 64},
		{"host", TL_JSON_OBJECT, true, offsetof(struct tl_target, host)},
		{"keys", TL_JSON_ARRAY, true, offsetof(struct tl_target, keys), 0,
		 TL_GRANT_KEYS_MAX},
		{"max_s", TL_JSON_INT, true, offsetof(struct tl_target, max_s), 1,
		 TL_GRANT_SESSION_MAX_S},
		{"relay", TL_JSON_ID, true, offsetof(struct tl_target, relay)},
		{"ticket", TL_JSON_OBJECT, true, offsetof(struct tl_target, ticket)},
	};
	struct named host = {.id = NULL}, ticket = {.id = NULL};
	int rc = tl_json_read(json, members, TL_ARRAY_LEN(members), target, err);

	if (rc == 0)
		rc = tl_json_read(json_object_get(json, "host"), host_members,
				  TL_ARRAY_LEN(host_members), &host, err);
	if (rc == 0)
		rc = tl_json_read(json_object_get(json, "ticket"), ticket_members,
				  TL_ARRAY_LEN(ticket_members), &ticket, err);
	if (rc != 0)
		return tl_err_prefix(err, "the relay's answer about the target");
	target->host = host.id;
	target->host_name = host.name;
	target->ticket = ticket.number;
	target->summary = ticket.summary;
	return 0;
}

static bool is_ticket(const char *text)
{
	return (text[0] == 'T' || text[0] == 't') && text[1] == '-' &&
	       strspn(text + 2, "0123456789") == strlen(text + 2);
}

/* Where the engineer named the host, no other is asked for, whatever the relay says. */
static int check_target(const struct tl_session_wish *wish, const char *typed,
			const struct tl_target *target, struct tl_err *err)
{
	if (!is_ticket(typed) && !tl_id_is_valid(typed) &&
	    strcasecmp(typed, target->host_name) != 0)
		return tl_err_set(err, TL_EPROTO,
				  "the relay takes \"%s\" for the host \"%s\": nothing was signed",
				  typed, target->host_name);
	if (wish->ticket && strcasecmp(wish->ticket, target->ticket) != 0)
		return tl_err_set(
			err, TL_EDENIED,
			"the newest open ticket of %s is %s, not %s: ask for `%s` to mean "
			"that ticket's host",
			target->host_name, target->ticket, wish->ticket, wish->ticket);
	return 0;
}

static int find_target(struct tl_api *api, const struct tl_session_wish *wish, json_t **ret_json,
		       struct tl_target *ret_target, struct tl_err *err)
{
	char typed[256], path[PATH_BYTES];
	size_t len = strlen(wish->target);
	int rc;

	if (tl_str_ends(wish->target, DOMAIN_NAME))
		len -= strlen(DOMAIN_NAME);
	snprintf(typed, sizeof typed, "%.*s", (int)len, wish->target);
	if (!tl_str_is_name(typed, 253))
		return tl_err_set(err, TL_EUSAGE, "\"%s\" is no name of a host or ticket",
				  wish->target);
	snprintf(path, sizeof path, "/v1/targets/%s", typed);
	rc = tl_api_get(api, path, ret_json, err);
	if (rc == 0)
		rc = read_target(*ret_json, ret_target, err);
	return rc == 0 ? check_target(wish, typed, ret_target, err) : rc;
}

/* ---- the statement ----------------------------------------------------------------------------- */

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static int write_statement(const struct tl_session_wish *wish, const struct tl_target *target,
			   const struct tl_signing_key *key, struct tl_buf *out, struct tl_err *err)
{
	tl_auto(tl_statement) struct tl_statement statement = {
		.lane = wish->lane,
		.scopes = wish->scopes,
		.purpose_stated = wish->purpose && *wish->purpose,
		.break_glass = wish->break_glass,
		.max_s = wish->minutes ? wish->minutes * 60 : target->max_s,
	};
	int64_t now_ms = tl_clock_wall_ms(tl_clock_system()) / 1000 * 1000;

	copy(statement.relay, sizeof statement.relay, target->relay);
	copy(statement.host, sizeof statement.host, target->host);
	copy(statement.host_name, sizeof statement.host_name, target->host_name);
	copy(statement.engineer, sizeof statement.engineer, target->engineer);
	copy(statement.ticket, sizeof statement.ticket, target->ticket);
	copy(statement.purpose, sizeof statement.purpose,
	     statement.purpose_stated ? wish->purpose : target->summary);
	copy(statement.user, sizeof statement.user, wish->user);
	copy(statement.nonce, sizeof statement.nonce, tl_id_new(tl_clock_system()).text);
	statement.not_before_ms = now_ms - EARLY_MS;
	statement.not_after_ms = now_ms + LIFE_MS;
	for (size_t i = 0;
	     wish->lane == TL_LANE_END_TO_END && i < key->keys.count && i < TL_GRANT_KEYS_MAX; i++)
		if (tl_strv_push(&statement.keys, key->keys.items[i]))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	return tl_statement_write(&statement, out, err);
}

static int sign_wish(const struct tl_session_wish *wish, const struct tl_target *target,
		     json_t *body, struct tl_err *err)
{
	tl_auto(tl_signing_key) struct tl_signing_key key = {.file = NULL};
	tl_auto(tl_strv) struct tl_strv registered = TL_STRV_INIT;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_GRANT_STATEMENT_MAX);
	tl_auto(tl_buf) struct tl_buf signature = TL_BUF_INIT(TL_GRANT_SIGNATURE_MAX);
	int rc = tl_grant_texts_of_json(target->keys, &registered, err);

	if (rc == 0)
		rc = tl_signing_choose(wish->key, &registered, &key, err);
	if (rc == TL_ENOENT && !wish->key && !wish->must_sign)
		return 0; /* a host that wants it signed says so */
	if (rc == 0)
		rc = write_statement(wish, target, &key, &text, err);
	if (rc == 0)
		rc = tl_signing_sign(&key, TL_SSHSIG_SESSION, text.data, text.len, &signature, err);
	if (rc != 0)
		return rc;
	json_object_set_new(body, "statement", json_string(tl_buf_str(&text)));
	json_object_set_new(body, "signature", json_string(tl_buf_str(&signature)));
	return 0;
}

/* ---- asking ------------------------------------------------------------------------------------ */

int tl_session_wish_read(const struct tl_cli *cli, struct tl_session_wish *ret_wish,
			 struct tl_err *err)
{
	const char *lane = tl_cli_get(cli, "lane"), *scopes = tl_cli_get(cli, "scopes");
	const char *minutes = tl_cli_get(cli, "minutes");
	int rc;

	*ret_wish = (struct tl_session_wish){
		.target = tl_cli_operand(cli, 0),
		.ticket = tl_cli_get(cli, "ticket"),
		.purpose = tl_cli_get(cli, "purpose"),
		.user = tl_cli_get(cli, "user"),
		.key = tl_cli_get(cli, "key"),
		.lane = TL_LANE_END_TO_END,
		.break_glass = tl_cli_has(cli, "break-glass"),
	};
	if (!ret_wish->purpose)
		ret_wish->purpose = getenv("TOWLINE_PURPOSE");
	if (lane && tl_lane_parse(lane, &ret_wish->lane) != 0)
		return tl_err_set(err, TL_EUSAGE, "--lane takes end-to-end or bastion");
	if (minutes && tl_str_i64(minutes, 1, TL_GRANT_SESSION_MAX_S / 60, &ret_wish->minutes) != 0)
		return tl_err_set(err, TL_EUSAGE, "--minutes takes 1 to %d",
				  TL_GRANT_SESSION_MAX_S / 60);
	if (ret_wish->break_glass && !ret_wish->purpose)
		return tl_err_set(err, TL_EUSAGE,
				  "an emergency needs --purpose: say what happened");
	rc = tl_scopes_parse(scopes ? scopes : "terminal,exec,files", &ret_wish->scopes, err);
	if (rc != 0)
		err->code = TL_EUSAGE;
	return rc ? TL_EUSAGE : 0;
}

static json_t *write_body(const struct tl_session_wish *wish, const struct tl_target *target)
{
	tl_auto(tl_buf) struct tl_buf scopes = TL_BUF_INIT(128);
	json_t *body;

	tl_scopes_write(wish->scopes, &scopes);
	body = json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:b}", "target", target->host, "lane",
			 tl_lane_name(wish->lane), "scopes", tl_buf_str(&scopes), "purpose",
			 wish->purpose && *wish->purpose ? wish->purpose : NULL, "user", wish->user,
			 "break_glass", (int)wish->break_glass);
	if (wish->minutes)
		json_object_set_new(body, "minutes", json_integer(wish->minutes));
	return body;
}

int tl_session_wish_ask(struct tl_api *api, const struct tl_session_wish *wish,
			json_t **ret_session, struct tl_err *err)
{
	tl_json *json = NULL, *body = NULL;
	struct tl_target target = {.relay = NULL};
	int rc = find_target(api, wish, &json, &target, err);

	if (rc != 0)
		return rc;
	body = write_body(wish, &target);
	if (!body)
		return tl_err_set(err, TL_EUSAGE, "the purpose or user is not UTF-8");
	rc = sign_wish(wish, &target, body, err);
	if (rc == 0)
		rc = tl_api_post(api, "/v1/sessions", body, ret_session, err);
	if (rc == 0 &&
	    !tl_id_is_valid(json_string_value(json_object_get(*ret_session, "id")) ?: ""))
		rc = tl_err_set(err, TL_EPROTO, "the relay's answer names no session");
	return rc;
}
