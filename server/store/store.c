#include "store/store.h"

#include <string.h>
#include <time.h>
#include <towline/crypto.h>
#include <towline/str.h>

#include "store/backend.h"

static const struct tl_store_backend *const backends[] = {&tl_store_sqlite, &tl_store_postgresql};

int tl_store_open(const char *url, struct tl_store **ret_store, struct tl_err *err)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(backends); i++) {
		if (tl_str_starts(url, backends[i]->scheme))
			return backends[i]->open(url, ret_store, err);
	}
	return tl_err_set(err, TL_EUNSUPPORTED,
			  "the store's URL must begin with \"sqlite:\" or \"postgresql:\"");
}

void tl_store_close(struct tl_store *store)
{
	if (store)
		store->backend->close(store);
}

bool tl_store_is_postgresql(const struct tl_store *store)
{
	return store->backend == &tl_store_postgresql;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* PostgreSQL refuses all of this by itself, SQLite none of it; both shall behave alike. */
static int check(struct tl_store *store, const struct tl_store_arg *args, size_t arg_count,
		 struct tl_err *err)
{
	if (store->failed)
		return tl_err_set(err, TL_EINTERNAL,
				  "a statement after a failed one in the same transaction");
	if (arg_count > TL_STORE_ARGS_MAX)
		return tl_err_set(err, TL_EINTERNAL, "a statement with %zu arguments", arg_count);
	for (size_t i = 0; i < arg_count; i++) {
		if (args[i].type != TL_STORE_TEXT)
			continue;
		if (!tl_str_is_utf8(args[i].text, strlen(args[i].text)))
			return tl_err_set(err, TL_EINVAL, "a text that is not well-formed UTF-8");
	}
	return 0;
}

static int noted(struct tl_store *store, int result)
{
	if (result < 0 && store->in_transaction)
		store->failed = true;
	return result;
}

int tl_store_exec(struct tl_store *store, const char *sql, const struct tl_store_arg *args,
		  size_t arg_count, int64_t *ret_changed, struct tl_err *err)
{
	struct tl_store_statement statement = {sql, args, arg_count};
	int64_t changed = 0;
	int r = check(store, args, arg_count, err);

	if (r == 0)
		r = noted(store, store->backend->exec(store, &statement, &changed, err));
	if (r == 0 && ret_changed)
		*ret_changed = changed;
	return r;
}

int tl_store_query(struct tl_store *store, const char *sql, const struct tl_store_arg *args,
		   size_t arg_count, struct tl_rows **ret_rows, struct tl_err *err)
{
	struct tl_store_statement statement = {sql, args, arg_count};
	int r = check(store, args, arg_count, err);

	if (r == 0)
		r = noted(store, store->backend->query(store, &statement, ret_rows, err));
	return r;
}

int tl_store_script(struct tl_store *store, const char *sql, struct tl_err *err)
{
	int r = check(store, NULL, 0, err);

	return r ? r : noted(store, store->backend->script(store, sql, err));
}

int tl_rows_next(struct tl_rows *rows, struct tl_err *err)
{
	return noted(rows->store, rows->store->backend->next(rows, err));
}

bool tl_rows_is_null(const struct tl_rows *rows, int column)
{
	return rows->store->backend->is_null(rows, column);
}

int64_t tl_rows_int(const struct tl_rows *rows, int column)
{
	return rows->store->backend->number(rows, column);
}

const char *tl_rows_text(const struct tl_rows *rows, int column)
{
	return rows->store->backend->text(rows, column);
}

void tl_rows_free(struct tl_rows *rows)
{
	if (rows)
		rows->store->backend->free(rows);
}

int tl_store_row(struct tl_store *store, const char *sql, const struct tl_store_arg *args,
		 size_t arg_count, struct tl_rows **ret_rows, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_query(store, sql, args, arg_count, &rows, err);

	if (r < 0)
		return r;
	r = tl_rows_next(rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return tl_err_set(err, TL_ENOENT, "not found");
	*ret_rows = tl_steal(&rows);
	return 0;
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* Up to 2 ms the first time, doubling: the winner has gone by then, and two losers part. */
static void pause_before_retry(unsigned attempt)
{
	uint32_t random;
	long limit_us = 2000L << (attempt < 6 ? attempt : 6);

	tl_random(&random, sizeof(random));
	nanosleep(&(struct timespec){.tv_nsec = (long)(random % (uint32_t)limit_us) * 1000}, NULL);
}

static int attempt_transaction(struct tl_store *store,
			       int (*body)(struct tl_store *store, void *arg, struct tl_err *err),
			       void *arg, struct tl_err *err)
{
	int r = store->backend->begin(store, err);

	if (r < 0)
		return r;
	store->in_transaction = true;
	r = body(store, arg, err);
	if (r == 0 && store->failed)
		r = tl_err_set(err, TL_EINTERNAL, "a transaction hid that a statement failed");
	if (r == 0)
		r = store->backend->commit(store, err);
	if (r != 0)
		store->backend->rollback(store);
	store->in_transaction = false;
	store->failed = false;
	return r;
}

int tl_store_transaction(struct tl_store *store,
			 int (*body)(struct tl_store *store, void *arg, struct tl_err *err),
			 void *arg, struct tl_err *err)
{
	if (store->in_transaction)
		return tl_err_set(err, TL_EINTERNAL, "a transaction inside a transaction");
	for (unsigned attempt = 0;; attempt++) {
		store->lost = false;
		int r = attempt_transaction(store, body, arg, err);

		if (r >= 0 || !store->lost || attempt == TL_STORE_RETRIES)
			return r;
		pause_before_retry(attempt);
	}
}

int tl_store_next_number(struct tl_store *store, const char *counter, int64_t *ret_number,
			 struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_row(store,
			     "UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value",
			     TL_ARGS(TL_ARG_TEXT(counter)), &rows, err);

	if (r < 0)
		return r == TL_ENOENT ? tl_err_set(err, r, "counter \"%s\" is not known", counter)
				      : r;
	*ret_number = tl_rows_int(rows, 0);
	return 0;
}
