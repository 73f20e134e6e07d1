#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/people.h"
#include "desk/session.h"

static int add_key(struct tl_change *change, void *arg, struct tl_err *err)
{
	return tl_user_key_add(change, "erin", arg, err);
}

/* Registers `count` new keys for erin and leaves the last one's line in `last`. */
static void add_keys(struct rig *rig, size_t count, char last[static 256])
{
	for (size_t i = 0; i < count; i++) {
		tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(256);
		tl_auto(tl_key) struct tl_key *key = NULL;
		struct tl_err err = TL_ERR_INIT;
		struct tl_change change;

		assert_int_equal(tl_key_generate(&key, &err), 0);
		tl_key_ssh_line(key, "a comment", &line);
		tl_change_init_system(&change, rig->store, &rig->clock.clock, NULL, add_key,
				      line.data);
		snprintf(last, 256, "%s", tl_buf_str(&line));
		if (tl_change_run(&change, &err) != 0)
			fail_msg("%s", tl_err_text(&err));
	}
	*strstr(last, " a comment") = '\0';
}

static void make_erin(struct rig *rig, char id[static TL_ID_LEN + 1])
{
	char token[TL_TOKEN_TEXT_MAX];
	tl_auto(tl_rows) struct tl_rows *row = NULL;

	rig_person(rig, "erin", "engineer", token);
	assert_int_equal(tl_store_row(rig->store, "SELECT id FROM app_user WHERE login = 'erin'",
				      TL_NO_ARGS, &row, NULL),
			 0);
	snprintf(id, TL_ID_LEN + 1, "%s", tl_rows_text(row, 0));
}

static void every_registered_key_is_listed_without_its_comment(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_strv) struct tl_strv keys = TL_STRV_INIT;
	char id[TL_ID_LEN + 1], last[256];
	struct tl_err err = TL_ERR_INIT;

	make_erin(rig, id);
	add_keys(rig, 3, last);
	assert_int_equal(tl_session_keys(rig->store, id, &keys, &err), 0);
	assert_int_equal(keys.count, 3);
	assert_true(tl_strv_has(&keys, last));
}

static void a_key_that_is_in_the_list_stays_first_and_is_named_once(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_strv) struct tl_strv keys = TL_STRV_INIT;
	char id[TL_ID_LEN + 1], last[256];
	struct tl_err err = TL_ERR_INIT;

	make_erin(rig, id);
	add_keys(rig, 2, last);
	assert_int_equal(tl_strv_push(&keys, last), 0);
	assert_int_equal(tl_session_keys(rig->store, id, &keys, &err), 0);
	assert_int_equal(keys.count, 2);
	assert_string_equal(keys.items[0], last);
}

static void no_more_keys_are_listed_than_a_grant_may_carry(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_strv) struct tl_strv keys = TL_STRV_INIT;
	char id[TL_ID_LEN + 1], last[256];
	struct tl_err err = TL_ERR_INIT;

	make_erin(rig, id);
	add_keys(rig, TL_GRANT_KEYS_MAX + 2, last);
	assert_int_equal(tl_strv_push(&keys, last), 0);
	assert_int_equal(tl_session_keys(rig->store, id, &keys, &err), 0);
	assert_int_equal(keys.count, TL_GRANT_KEYS_MAX);
	assert_string_equal(keys.items[0], last);
}

static void nobody_elses_key_is_listed(void **state)
{
	struct rig *rig = *state;
	tl_auto(tl_strv) struct tl_strv keys = TL_STRV_INIT;
	char id[TL_ID_LEN + 1], last[256];
	struct tl_err err = TL_ERR_INIT;

	make_erin(rig, id);
	add_keys(rig, 1, last);
	assert_int_equal(tl_session_keys(rig->store, "somebody else", &keys, &err), 0);
	assert_int_equal(keys.count, 0);
}

static const struct CMUnitTest tests[] = {
	RIG_TEST(every_registered_key_is_listed_without_its_comment),
	RIG_TEST(a_key_that_is_in_the_list_stays_first_and_is_named_once),
	RIG_TEST(no_more_keys_are_listed_than_a_grant_may_carry),
	RIG_TEST(nobody_elses_key_is_listed),
};

int main(int argc, char **argv)
{
	return place_main("session_keys", tests, TL_ARRAY_LEN(tests), argc, argv);
}
