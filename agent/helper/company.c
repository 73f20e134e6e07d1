#include "helper/company.h"

#include <stdio.h>
#include <string.h>

void tl_company_init(struct tl_company *company, enum tl_second need, int64_t away_ms,
		     const char *engineer)
{
	*company = (struct tl_company){.need = need, .away_ms = away_ms};
	snprintf(company->engineer, sizeof(company->engineer), "%s", engineer);
}

/* One sentence more. */
static void say(struct tl_buf *said, const char *who, const char *what)
{
	tl_buf_printf(said, "%s%s %s.", said->len ? " " : "", who, what);
}

static bool is_among(const struct tl_watcher *watchers, size_t count, const char *login)
{
	for (size_t i = 0; i < count; i++)
		if (tl_streq(watchers[i].login, login))
			return true;
	return false;
}

void tl_company_watched(struct tl_company *company, const struct tl_watcher *watchers, size_t count,
			struct tl_buf *said)
{
	count = count < TL_COMPANY_MAX ? count : TL_COMPANY_MAX;
	for (size_t i = 0; i < count; i++)
		if (!is_among(company->watchers, company->watcher_count, watchers[i].login))
			say(said, watchers[i].name, "watches this session");
	for (size_t i = 0; i < company->watcher_count; i++)
		if (!is_among(watchers, count, company->watchers[i].login))
			say(said, company->watchers[i].name, "no longer watches");
	memmove(company->watchers, watchers, count * sizeof(*watchers));
	company->watcher_count = count;
}

int tl_company_joined(struct tl_company *company, const struct tl_second_statement *statement,
		      struct tl_buf *said, struct tl_err *err)
{
	bool same = company->has_second && statement &&
		    tl_streq(company->second.engineer, statement->engineer);

	if (statement && tl_streq(statement->engineer, company->engineer))
		return tl_err_set(err, TL_EDENIED,
				  "nobody is the second engineer of one's own session");
	if (company->has_second && !same)
		say(said, company->second.name, "has left as the second engineer");
	if (statement && !same)
		say(said, statement->name, "has joined as the second engineer");
	company->has_second = statement != NULL;
	company->had_second |= statement != NULL;
	if (statement)
		company->second = *statement;
	return 0;
}

void tl_company_paused(struct tl_company *company, enum tl_pause whose, const char *by,
		       struct tl_buf *said)
{
	char *paused_by = company->paused_by[whose];

	if (by && !paused_by[0])
		say(said, by, "has paused this session");
	else if (!by && paused_by[0])
		tl_buf_printf(said, "%sThe pause of %s is over.", said->len ? " " : "", paused_by);
	snprintf(paused_by, sizeof(company->paused_by[whose]), "%s", by ? by : "");
}

bool tl_company_is_waiting(const struct tl_company *company)
{
	return company->need != TL_SECOND_NONE && !company->had_second;
}

const char *tl_company_hold(struct tl_company *company)
{
	for (int whose = 0; whose < TL_PAUSE_COUNT; whose++)
		if (company->paused_by[whose][0]) {
			snprintf(company->hold, sizeof(company->hold), "paused by %s",
				 company->paused_by[whose]);
			return company->hold;
		}
	if (company->need == TL_SECOND_NONE || company->has_second)
		return NULL;
	return company->had_second ? "paused until a second engineer is here again"
				   : "waiting for a second engineer to join";
}

int64_t tl_company_wait_ms(const struct tl_company *company, int64_t now_ms)
{
	int64_t left_ms = company->second.expires_ms - now_ms;

	if (company->need == TL_SECOND_NONE)
		return -1;
	if (company->has_second)
		return left_ms > 1 ? left_ms : 1;
	return company->had_second && company->need == TL_SECOND_END ? 0 : company->away_ms;
}

void tl_company_describe(struct tl_company *company, json_t *json)
{
	json_t *watchers = json_array();
	const char *hold = tl_company_hold(company);

	for (size_t i = 0; i < company->watcher_count; i++)
		json_array_append_new(watchers,
				      json_pack("{s:s, s:s}", "login", company->watchers[i].login,
						"name", company->watchers[i].name));
	json_object_set_new(json, "watchers", watchers);
	json_object_set_new(json, "four_eyes", json_boolean(company->need != TL_SECOND_NONE));
	if (company->has_second)
		json_object_set_new(json, "second", json_string(company->second.name));
	if (hold)
		json_object_set_new(json, "held", json_string(hold));
}
