/* What the relay says of itself: public, and what an enrolling agent pins. */
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"

void tl_relay_show(struct tl_http_call *call)
{
	const struct tl_desk *desk = tl_desk_of(call);
	tl_auto(tl_buf) struct tl_buf authority = TL_BUF_INIT(64);
	uint8_t public[TL_ED25519_PUBLIC_LEN];

	tl_key_public(desk->authority, public);
	tl_base64url_encode(&authority, public, sizeof public);
	tl_http_reply(call, 200,
		      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "id", desk->relay_id, "name",
				desk->name, "ca_pem", desk->ca_pem, "ca_sha256", desk->ca_sha256,
				"authority_key", tl_buf_str(&authority), "ssh_host_key",
				desk->ssh_host_key, "ssh_port", (int)desk->ssh_port));
}

void tl_health_show(struct tl_http_call *call)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;
	char now[TL_TIME_TEXT];

	if (tl_store_row(tl_desk_store(call), "SELECT 1", TL_NO_ARGS, &row, &err)) {
		tl_reply_failure(call, &(struct tl_problem){503, "store-unavailable"}, &err);
		return;
	}
	tl_time_rfc3339(tl_clock_wall_ms(tl_desk_of(call)->clock), now);
	tl_http_reply(call, 200, json_pack("{s:s, s:s}", "status", "ok", "relay_time", now));
}
