#include "store/audit.h"
#include "store/backend.h"

#define EVENT_MAX (1024 * 1024)

int tl_outbox_append(struct tl_store *store, const struct tl_clock *clock, const char *topic,
		     const char *type, const json_t *data, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(EVENT_MAX);
	int64_t seq = 0;
	int r;

	if (!store->in_transaction)
		return tl_err_set(err, TL_EINTERNAL, "an outgoing event outside a transaction");
	if (data)
		tl_json_write(&text, data);
	else
		tl_buf_puts(&text, "{}");
	if ((r = tl_buf_check(&text)))
		return tl_err_set(err, r, "outgoing event \"%s\" is too large", type);
	r = tl_store_next_number(store, "outbox", &seq, err);
	if (r < 0)
		return r;
	return tl_store_exec(store,
			     "INSERT INTO outbox (seq, at_ms, topic, type, data)"
			     " VALUES ($1, $2, $3, $4, $5)",
			     TL_ARGS(TL_ARG_INT(seq), TL_ARG_INT(tl_clock_wall_ms(clock)),
				     TL_ARG_TEXT(topic), TL_ARG_TEXT(type),
				     TL_ARG_TEXT(tl_buf_str(&text))),
			     NULL, err);
}
