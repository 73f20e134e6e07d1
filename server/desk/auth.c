/* Who asks: an engineer's API token, looked up by its hash, or a host's access token, checked by the
 * relay's own key. */
#include <stdio.h>
#include <towline/jwt.h>
#include <towline/str.h>

#include "desk/desk.h"

#define LAST_USED_STEP_MS 60000 /* last_used_ms is written no more often */

static int refused(struct tl_err *err)
{
	return tl_err_set(err, TL_EAUTH, "the credentials are unknown, expired or revoked");
}

static int user_by_token(struct tl_desk *desk, struct tl_store *store, const char *token,
			 struct tl_principal *ret_principal, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int64_t now = tl_clock_wall_ms(desk->clock);
	char sha256[TL_SHA256_HEX];
	int r;

	tl_sha256_hex_of(token, strlen(token), sha256);
	r = tl_store_row(store,
			 "SELECT u.id, u.login, u.roles FROM api_token t JOIN app_user u ON u.id = "
			 "t.user_id "
			 "WHERE t.sha256 = $1 AND t.revoked_ms IS NULL AND u.disabled = 0 "
			 "AND (t.expires_ms IS NULL OR t.expires_ms > $2)",
			 TL_ARGS(TL_ARG_TEXT(sha256), TL_ARG_INT(now)), &row, err);
	if (r)
		return r == TL_ENOENT ? refused(err) : r;
	snprintf(ret_principal->id, sizeof ret_principal->id, "%s", tl_rows_text(row, 0));
	snprintf(ret_principal->login, sizeof ret_principal->login, "%s", tl_rows_text(row, 1));
	ret_principal->role = (unsigned)tl_rows_int(row, 2);
	tl_rows_free(tl_steal(&row));
	return tl_store_exec(store,
			     "UPDATE api_token SET last_used_ms = $2 WHERE sha256 = $1 "
			     "AND (last_used_ms IS NULL OR last_used_ms < $3)",
			     TL_ARGS(TL_ARG_TEXT(sha256), TL_ARG_INT(now),
				     TL_ARG_INT(now - LAST_USED_STEP_MS)),
			     NULL, err);
}

static int host_by_token(struct tl_desk *desk, struct tl_store *store, const char *token,
			 struct tl_principal *ret_principal, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	tl_json *claims = NULL;
	const char *host;
	int r;

	if (tl_jwt_verify(desk->token_key, TL_JWT_ACCESS, token, strlen(token), &claims, NULL) ||
	    tl_jwt_check_times(claims, desk->clock, NULL))
		return refused(err);
	host = json_string_value(json_object_get(claims, "sub"));
	if (!host || !tl_streq(json_string_value(json_object_get(claims, "iss")), desk->relay_id))
		return refused(err);
	r = tl_store_row(store, "SELECT id, name FROM host WHERE id = $1 AND state = 'active'",
			 TL_ARGS(TL_ARG_TEXT(host)), &row, err);
	if (r)
		return r == TL_ENOENT ? refused(err) : r;
	snprintf(ret_principal->id, sizeof ret_principal->id, "%s", tl_rows_text(row, 0));
	snprintf(ret_principal->login, sizeof ret_principal->login, "%s", tl_rows_text(row, 1));
	ret_principal->role = TL_ROLE_HOST;
	return 0;
}

/* A browser cannot set Authorization on a WebSocket, but may offer subprotocols: one of them is the ticket. */
static bool find_ticket(const struct tl_http_call *call,
			char ticket[static TL_TERMINAL_TICKET_TEXT])
{
	static const char prefix[] = "ticket.towline.";
	const char *offered = tl_http_header(call, "sec-websocket-protocol");
	const char *at = offered ? strstr(offered, prefix) : NULL;
	size_t len;

	if (!at)
		return false;
	at += sizeof prefix - 1;
	len = strcspn(at, ", \t");
	if (len != TL_TERMINAL_TICKET_TEXT - 1)
		return false;
	snprintf(ticket, TL_TERMINAL_TICKET_TEXT, "%.*s", (int)len, at);
	return true;
}

static int user_by_ticket(const struct tl_http_call *call, const char *ticket,
			  struct tl_principal *ret_principal, struct tl_err *err)
{
	const struct tl_desk *desk = tl_desk_of(call);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	char user[TL_ID_LEN + 1];
	int r = tl_terminals_redeem(desk->terminals, ticket, tl_http_param(call, "id"),
				    tl_clock_wall_ms(desk->clock), user, err);

	if (r == 0)
		r = tl_store_row(tl_desk_store(call),
				 "SELECT id, login FROM app_user WHERE id = $1 AND disabled = 0",
				 TL_ARGS(TL_ARG_TEXT(user)), &row, err);
	if (r)
		return r == TL_ENOENT ? refused(err) : r;
	snprintf(ret_principal->id, sizeof ret_principal->id, "%s", tl_rows_text(row, 0));
	snprintf(ret_principal->login, sizeof ret_principal->login, "%s", tl_rows_text(row, 1));
	ret_principal->role = TL_ROLE_TICKET;
	return 0;
}

int tl_desk_authenticate(struct tl_http_call *call, struct tl_principal *ret_principal,
			 struct tl_err *err)
{
	const char *header = tl_http_header(call, "authorization");
	struct tl_principal principal = {.role = 0};
	char ticket[TL_TERMINAL_TICKET_TEXT];
	int r;

	if (!header && find_ticket(call, ticket))
		return user_by_ticket(call, ticket, ret_principal, err);
	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return tl_err_set(err, TL_EAUTH, "this needs a bearer token");
	if (tl_str_starts(header + 7, "tlt_"))
		r = user_by_token(tl_desk_of(call), tl_desk_store(call), header + 7, &principal,
				  err);
	else
		r = host_by_token(tl_desk_of(call), tl_desk_store(call), header + 7, &principal,
				  err);
	if (r == 0)
		*ret_principal = principal;
	return r;
}
