#include "helper/spent.h"

#include <stdlib.h>
#include <towline/fs.h>
#include <towline/grant.h>
#include <towline/json.h>

#define FILE_NAME "spent.json"

struct tl_spent {
	int state_fd;
	const struct tl_clock *clock;
	json_t *sessions; /* id → expiry in wall-clock milliseconds */
};

static int check_file(const json_t *sessions)
{
	const char *id;
	json_t *expires;

	if (!json_is_object(sessions))
		return TL_EINVAL;
	json_object_foreach((json_t *)(uintptr_t)sessions, id, expires)
	{
		if (!tl_id_is_valid(id) || !json_is_integer(expires))
			return TL_EINVAL;
	}
	return 0;
}

static int load(struct tl_spent *spent, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_SPENT_MAX * 64);
	int rc = tl_fs_read_file(spent->state_fd, FILE_NAME, &text, err);

	if (rc == TL_ENOENT) {
		spent->sessions = json_object();
		return spent->sessions ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	if (rc == 0)
		rc = tl_json_parse(tl_buf_str(&text), text.len, &spent->sessions, err);
	if (rc == 0 && check_file(spent->sessions) != 0)
		rc = tl_err_set(err, TL_EINVAL, "it is damaged; remove it when no session runs");
	return rc == 0 ? 0 : tl_err_prefix(err, FILE_NAME);
}

int tl_spent_open(int state_fd, const struct tl_clock *clock, struct tl_spent **ret_spent,
		  struct tl_err *err)
{
	tl_auto(tl_spent) struct tl_spent *spent = calloc(1, sizeof(*spent));
	int rc;

	if (!spent)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	spent->state_fd = state_fd;
	spent->clock = clock;
	rc = load(spent, err);
	if (rc == 0)
		*ret_spent = tl_steal(&spent);
	return rc;
}

static void drop_expired(struct tl_spent *spent)
{
	/* A clock that was set back must not make a used grant usable again: beyond expiry it is
	 * kept as long as a grant can live at all. */
	int64_t limit_ms = tl_clock_wall_ms(spent->clock) - TL_GRANT_LIFE_MAX_MS;
	const char *id;
	json_t *expires;
	void *next;

	json_object_foreach_safe(spent->sessions, next, id, expires)
	{
		if (json_integer_value(expires) < limit_ms)
			json_object_del(spent->sessions, id);
	}
}

int tl_spent_use(struct tl_spent *spent, const char *session, const char *nonce, int64_t expires_ms,
		 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_SPENT_MAX * 64);
	int rc;

	if (nonce && json_object_get(spent->sessions, nonce))
		return tl_err_set(err, TL_EDENIED,
				  "the engineer's statement was used before; a new one is needed");

	if (json_object_get(spent->sessions, session))
		return tl_err_set(err, TL_EDENIED,
				  "this grant was used before; a new one is needed");
	drop_expired(spent);
	if (json_object_size(spent->sessions) + 1 >= TL_SPENT_MAX)
		return tl_err_set(err, TL_EBUSY,
				  "too many sessions were asked for in a short time");
	if (json_object_set_new(spent->sessions, session, json_integer(expires_ms)) != 0 ||
	    (nonce && json_object_set_new(spent->sessions, nonce, json_integer(expires_ms)) != 0))
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	tl_json_write(&text, spent->sessions);
	rc = tl_buf_check(&text);
	if (rc == 0)
		rc = tl_fs_write_file(spent->state_fd, FILE_NAME, 0600, text.data, text.len, err);
	return rc == 0 ? 0 : tl_err_prefix(err, "the use of a grant cannot be recorded");
}

void tl_spent_free(struct tl_spent *spent)
{
	if (!spent)
		return;
	json_decref(spent->sessions);
	free(spent);
}
