#include "../common/tests.h"

#include "desk/presence.h"

#define SESSION "01jb0000000000000000000001"

static struct {
	struct tl_presence *presence;
	struct tl_key *authority;
	struct tl_clock_fake clock;
	char told[8192];
} t;

static int setup(void **state)
{
	(void)state;
	t.presence = tl_presence_new();
	tl_clock_fake_init(&t.clock, 1700000000000);
	return tl_key_generate(&t.authority, NULL);
}

static int teardown(void **state)
{
	(void)state;
	tl_presence_free(t.presence);
	tl_key_free(t.authority);
	return 0;
}

static int join(const char *login, bool second, uint64_t *ret_id)
{
	struct tl_attendee who = {.session = SESSION, .second = second};

	snprintf(who.login, sizeof who.login, "%s", login);
	snprintf(who.name, sizeof who.name, "%s", login);
	return tl_presence_join(t.presence, &who, ret_id, NULL);
}

static void on_told(void *arg, const json_t *company)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(sizeof t.told - 1);

	(void)arg;
	tl_json_write(&text, company);
	snprintf(t.told, sizeof t.told, "%s", tl_buf_str(&text));
}

static const char *told(void)
{
	tl_presence_tell(t.presence, SESSION, t.authority, &t.clock.clock, on_told, NULL);
	return t.told;
}

static void who_leaves_is_gone_and_written_down_once(void **state)
{
	struct tl_attendee who;
	uint64_t id;
	bool typed;

	(void)state;
	assert_int_equal(join("sue", false, &id), 0);
	assert_true(tl_presence_has(t.presence, SESSION, "sue", false));
	assert_false(tl_presence_next_departure(t.presence, &who));
	tl_presence_leave(t.presence, id, &who, &typed);
	assert_false(tl_presence_has(t.presence, SESSION, "sue", false));
	assert_string_equal(told(), "{\"session\":\"" SESSION "\",\"watchers\":[]}");
	assert_true(tl_presence_next_departure(t.presence, &who));
	assert_string_equal(who.login, "sue");
	assert_false(tl_presence_next_departure(t.presence, &who));
}

static void there_is_one_second_engineer_and_it_is_vouched_for(void **state)
{
	uint64_t id;

	(void)state;
	assert_int_equal(join("tom", false, &id), 0);
	assert_null(strstr(told(), "second"));
	assert_int_equal(join("sue", true, &id), 0);
	assert_int_equal(join("ulf", true, &id), TL_ECONFLICT);
	assert_non_null(strstr(told(), "\"second\":\"ey"));
	assert_non_null(strstr(told(), "[{\"login\":\"tom\",\"name\":\"tom\"}]"));
}

static void only_the_second_engineer_types_until_it_leaves(void **state)
{
	struct tl_attendee who;
	uint64_t id;
	bool typed;

	(void)state;
	assert_int_equal(join("tom", false, &id), 0);
	assert_int_equal(join("sue", true, &id), 0);
	assert_int_equal(tl_presence_type(t.presence, SESSION, "tom", true, NULL), TL_EDENIED);
	assert_false(tl_presence_types(t.presence, SESSION, "sue"));
	assert_int_equal(tl_presence_type(t.presence, SESSION, "sue", true, NULL), 0);
	assert_true(tl_presence_types(t.presence, SESSION, "sue"));
	assert_false(tl_presence_types(t.presence, SESSION, "tom"));
	tl_presence_leave(t.presence, id, &who, &typed);
	assert_true(typed);
	assert_false(tl_presence_types(t.presence, SESSION, "sue"));
}

static void watchers_are_told_once_until_they_read(void **state)
{
	uint64_t id;

	(void)state;
	assert_false(tl_presence_grew(t.presence, SESSION));
	assert_int_equal(join("sue", false, &id), 0);
	assert_true(tl_presence_grew(t.presence, SESSION));
	assert_false(tl_presence_grew(t.presence, SESSION));
	tl_presence_reads(t.presence, SESSION);
	assert_true(tl_presence_grew(t.presence, SESSION));
}

static void a_session_takes_only_so_many(void **state)
{
	char login[16];
	uint64_t id;

	(void)state;
	for (int i = 0; i < TL_PRESENCE_MAX; i++) {
		snprintf(login, sizeof login, "w%d", i);
		assert_int_equal(join(login, false, &id), 0);
	}
	assert_int_equal(join("late", false, &id), TL_EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(who_leaves_is_gone_and_written_down_once),
		T(there_is_one_second_engineer_and_it_is_vouched_for),
		T(only_the_second_engineer_types_until_it_leaves),
		T(watchers_are_told_once_until_they_read),
		T(a_session_takes_only_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
