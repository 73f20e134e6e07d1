#include "desk/presence.h"

#include <pthread.h>
#include <stdio.h>
#include <towline/second.h>
#include <towline/str.h>

struct entry {
	struct entry *next;
	uint64_t id;
	struct tl_attendee who;
	bool types, gone;
	bool told; /* that there is more, and has not read it yet */
};

struct tl_presence {
	pthread_mutex_t lock;
	pthread_mutex_t order; /* of what is told; taken before `lock` */
	struct entry *entries; /* those who left stay until they are written down */
	uint64_t last_id;
};

struct tl_presence *tl_presence_new(void)
{
	struct tl_presence *presence = calloc(1, sizeof *presence);

	if (presence)
		pthread_mutex_init(&presence->lock, NULL);
	if (presence)
		pthread_mutex_init(&presence->order, NULL);
	return presence;
}

void tl_presence_free(struct tl_presence *presence)
{
	if (!presence)
		return;
	while (presence->entries) {
		struct entry *entry = presence->entries;

		presence->entries = entry->next;
		free(entry);
	}
	pthread_mutex_destroy(&presence->lock);
	pthread_mutex_destroy(&presence->order);
	free(presence);
}

/* The next one at the session after `entry`, from the first when that is NULL. */
static struct entry *next_at(struct tl_presence *presence, struct entry *entry, const char *session)
{
	entry = entry ? entry->next : presence->entries;
	while (entry && (entry->gone || !tl_streq(entry->who.session, session)))
		entry = entry->next;
	return entry;
}

static int may_join(struct tl_presence *presence, const struct tl_attendee *attendee,
		    struct tl_err *err)
{
	unsigned count = 0;

	for (struct entry *entry = NULL; (entry = next_at(presence, entry, attendee->session));) {
		count++;
		if (attendee->second && entry->who.second)
			return tl_err_set(err, TL_ECONFLICT,
					  "%s is this session's second engineer already",
					  entry->who.name);
	}
	return count < TL_PRESENCE_MAX
		       ? 0
		       : tl_err_set(err, TL_EBUSY, "%d people watch this session already",
				    TL_PRESENCE_MAX);
}

int tl_presence_join(struct tl_presence *presence, const struct tl_attendee *attendee,
		     uint64_t *ret_id, struct tl_err *err)
{
	struct entry *entry = calloc(1, sizeof *entry);
	int r;

	if (!entry)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	entry->who = *attendee;
	pthread_mutex_lock(&presence->lock);
	r = may_join(presence, attendee, err);
	if (r == 0) {
		*ret_id = entry->id = ++presence->last_id;
		entry->next = presence->entries;
		presence->entries = entry;
	}
	pthread_mutex_unlock(&presence->lock);
	if (r)
		free(entry);
	return r;
}

void tl_presence_leave(struct tl_presence *presence, uint64_t id, struct tl_attendee *ret_attendee,
		       bool *ret_typed)
{
	*ret_attendee = (struct tl_attendee){.session = ""};
	*ret_typed = false;
	pthread_mutex_lock(&presence->lock);
	for (struct entry *entry = presence->entries; entry; entry = entry->next)
		if (entry->id == id) {
			entry->gone = true;
			*ret_typed = entry->types;
			*ret_attendee = entry->who;
		}
	pthread_mutex_unlock(&presence->lock);
}

bool tl_presence_has_news(struct tl_presence *presence)
{
	bool news = false;

	pthread_mutex_lock(&presence->lock);
	for (const struct entry *entry = presence->entries; entry; entry = entry->next)
		news |= entry->gone || entry->who.second;
	pthread_mutex_unlock(&presence->lock);
	return news;
}

bool tl_presence_next_departure(struct tl_presence *presence, struct tl_attendee *ret_attendee)
{
	struct entry **link, *entry;

	pthread_mutex_lock(&presence->lock);
	for (link = &presence->entries; *link && !(*link)->gone;)
		link = &(*link)->next;
	entry = *link;
	if (entry)
		*link = entry->next;
	pthread_mutex_unlock(&presence->lock);
	if (entry)
		*ret_attendee = entry->who;
	free(entry);
	return entry != NULL;
}

/* The lock is held. */
static struct entry *find(struct tl_presence *presence, const char *session, const char *login)
{
	struct entry *entry = NULL;

	while ((entry = next_at(presence, entry, session)) && !tl_streq(entry->who.login, login))
		;
	return entry;
}

static struct entry *find_second(struct tl_presence *presence, const char *session)
{
	struct entry *entry = NULL;

	while ((entry = next_at(presence, entry, session)) && !entry->who.second)
		;
	return entry;
}

bool tl_presence_has(struct tl_presence *presence, const char *session, const char *login,
		     bool second)
{
	const struct entry *entry;
	bool has;

	pthread_mutex_lock(&presence->lock);
	entry = second ? find_second(presence, session) : find(presence, session, login);
	has = entry && tl_streq(entry->who.login, login);
	pthread_mutex_unlock(&presence->lock);
	return has;
}

int tl_presence_type(struct tl_presence *presence, const char *session, const char *login, bool on,
		     struct tl_err *err)
{
	struct entry *entry;
	bool is_second;

	pthread_mutex_lock(&presence->lock);
	entry = find_second(presence, session);
	is_second = entry && tl_streq(entry->who.login, login);
	if (is_second)
		entry->types = on;
	pthread_mutex_unlock(&presence->lock);
	return is_second ? 0
			 : tl_err_set(err, TL_EDENIED,
				      "only the session's second engineer takes over: join first");
}

bool tl_presence_types(struct tl_presence *presence, const char *session, const char *login)
{
	const struct entry *entry;
	bool types;

	pthread_mutex_lock(&presence->lock);
	entry = find_second(presence, session);
	types = entry && entry->types && tl_streq(entry->who.login, login);
	pthread_mutex_unlock(&presence->lock);
	return types;
}

bool tl_presence_grew(struct tl_presence *presence, const char *session)
{
	bool news = false;

	pthread_mutex_lock(&presence->lock);
	for (struct entry *entry = NULL; (entry = next_at(presence, entry, session));) {
		news |= !entry->told;
		entry->told = true;
	}
	pthread_mutex_unlock(&presence->lock);
	return news;
}

void tl_presence_reads(struct tl_presence *presence, const char *session)
{
	pthread_mutex_lock(&presence->lock);
	for (struct entry *entry = NULL; (entry = next_at(presence, entry, session));)
		entry->told = false;
	pthread_mutex_unlock(&presence->lock);
}

static int add_second(const struct tl_attendee *who, const struct tl_key *authority,
		      const struct tl_clock *clock, json_t *company)
{
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(8192);
	struct tl_second_statement statement = {.expires_ms = 0};
	int r;

	snprintf(statement.session, sizeof statement.session, "%s", who->session);
	snprintf(statement.engineer, sizeof statement.engineer, "%s", who->login);
	snprintf(statement.name, sizeof statement.name, "%s", who->name);
	r = tl_second_sign(&statement, authority, clock, &jws, NULL);
	return r ? r : json_object_set_new(company, "second", json_string(tl_buf_str(&jws)));
}

static json_t *company_of(struct tl_presence *presence, const char *session,
			  const struct tl_key *authority, const struct tl_clock *clock)
{
	json_t *watchers = json_array();
	json_t *company = json_pack("{s:s, s:o}", "session", session, "watchers", watchers);
	struct tl_attendee second = {.session = ""};

	pthread_mutex_lock(&presence->lock);
	for (struct entry *entry = NULL; (entry = next_at(presence, entry, session));) {
		if (entry->who.second)
			second = entry->who;
		else
			json_array_append_new(watchers,
					      json_pack("{s:s, s:s}", "login", entry->who.login,
							"name", entry->who.name));
	}
	pthread_mutex_unlock(&presence->lock);
	if (company && second.session[0] && add_second(&second, authority, clock, company) != 0) {
		json_decref(company);
		return NULL;
	}
	return company;
}

void tl_presence_tell(struct tl_presence *presence, const char *session,
		      const struct tl_key *authority, const struct tl_clock *clock,
		      void (*send)(void *arg, const json_t *company), void *arg)
{
	tl_json *company = NULL;

	pthread_mutex_lock(&presence->order);
	company = company_of(presence, session, authority, clock);
	if (company)
		send(arg, company);
	pthread_mutex_unlock(&presence->order);
}

void tl_presence_each_second(struct tl_presence *presence,
			     void (*on_session)(void *arg, const char *session, const char *host),
			     void *arg)
{
	uint64_t after = 0;

	for (;;) {
		struct tl_attendee who = {.session = ""};
		uint64_t best = UINT64_MAX;

		pthread_mutex_lock(&presence->lock);
		for (const struct entry *entry = presence->entries; entry; entry = entry->next)
			if (!entry->gone && entry->who.second && entry->id > after &&
			    entry->id < best) {
				best = entry->id;
				who = entry->who;
			}
		pthread_mutex_unlock(&presence->lock);
		if (best == UINT64_MAX)
			return;
		after = best;
		on_session(arg, who.session, who.host);
	}
}
