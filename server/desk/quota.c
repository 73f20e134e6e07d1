#include "desk/quota.h"

#include "desk/handlers.h"

int tl_quota_left(const struct tl_desk *desk, struct tl_store *store, const char *host,
		  uint64_t *ret_bytes, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int64_t used;
	int r = tl_store_row(store,
			     "SELECT (SELECT CAST(COALESCE(sum(size), 0) AS BIGINT) FROM bundle "
			     "WHERE host_id = $1 AND state = 'stored') + "
			     "(SELECT CAST(COALESCE(sum(length), 0) AS BIGINT) FROM upload "
			     "WHERE principal = $1 AND kind = 'bundle' AND state = 'open')",
			     TL_ARGS(TL_ARG_TEXT(host)), &row, err);

	if (r)
		return r;
	used = tl_rows_int(row, 0);
	*ret_bytes = used < 0 || (uint64_t)used >= desk->host_quota_bytes
			     ? 0
			     : desk->host_quota_bytes - (uint64_t)used;
	return 0;
}

int tl_quota_check_bytes(const struct tl_desk *desk, struct tl_store *store, const char *host,
			 uint64_t bytes, struct tl_problem *problem, struct tl_err *err)
{
	uint64_t left;
	int r = tl_quota_left(desk, store, host, &left, err);

	if (r || bytes <= left)
		return r;
	return tl_problem_set(problem, err, 413, "host-quota",
			      "the bundles of this host may have %llu bytes in all, of which %llu "
			      "are left: an administrator can raise limits.host_bundles",
			      (unsigned long long)desk->host_quota_bytes, (unsigned long long)left);
}

int tl_quota_check_tickets(const struct tl_desk *desk, struct tl_store *store, const char *host,
			   struct tl_problem *problem, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store,
			     "SELECT count(*) FROM ticket WHERE host_id = $1 AND state NOT IN "
			     "('resolved', 'closed')",
			     TL_ARGS(TL_ARG_TEXT(host)), &row, err);

	if (r || tl_rows_int(row, 0) < desk->host_tickets_max)
		return r;
	return tl_problem_set(problem, err, 429, "too-many-tickets",
			      "this host has %lld open tickets: resolve some first",
			      (long long)tl_rows_int(row, 0));
}

/* Asked by an agent before it collects. */
void tl_agent_limits_show(struct tl_http_call *call)
{
	const struct tl_desk *desk = tl_desk_of(call);
	struct tl_err err = TL_ERR_INIT;
	uint64_t left;

	if (tl_quota_left(desk, tl_desk_store(call), tl_http_principal(call)->id, &left, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_http_reply(call, 200,
		      json_pack("{s:I, s:I}", "bundle_max_bytes",
				(json_int_t)desk->max_bundle_bytes, "quota_left_bytes",
				(json_int_t)left));
}
