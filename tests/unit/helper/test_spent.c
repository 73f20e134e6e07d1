#include "../common/tests.h"

#include <fcntl.h>
#include <towline/fs.h>
#include <towline/grant.h>
#include <unistd.h>

#include "../common/scratch.h"
#include "helper/spent.h"

#define NOW INT64_C(1700000000000)

static struct tl_spent *open_spent(const char *dir, const struct tl_clock *clock, int *ret_fd)
{
	struct tl_spent *spent = NULL;
	struct tl_err err = TL_ERR_INIT;

	*ret_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tl_spent_open(*ret_fd, clock, &spent, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	return spent;
}

static void a_grant_is_good_for_one_use(void **state)
{
	struct tl_clock_fake fake;
	struct tl_err err = TL_ERR_INIT;
	struct tl_id id;
	tl_fd int fd = -1;
	tl_auto(tl_spent) struct tl_spent *spent = NULL;

	tl_clock_fake_init(&fake, NOW);
	id = tl_id_new(&fake.clock);
	spent = open_spent(*state, &fake.clock, &fd);
	assert_int_equal(tl_spent_use(spent, id.text, NULL, NOW + 1000, &err), 0);
	assert_int_equal(tl_spent_use(spent, id.text, NULL, NOW + 1000, &err), TL_EDENIED);
	assert_says(&err, "used before");
}

static void a_statement_is_good_for_one_grant(void **state)
{
	struct tl_clock_fake fake;
	struct tl_err err = TL_ERR_INIT;
	struct tl_id first, second, nonce;
	tl_fd int fd = -1;
	tl_auto(tl_spent) struct tl_spent *spent = NULL;

	tl_clock_fake_init(&fake, NOW);
	first = tl_id_new(&fake.clock);
	second = tl_id_new(&fake.clock);
	nonce = tl_id_new(&fake.clock);
	spent = open_spent(*state, &fake.clock, &fd);
	assert_int_equal(tl_spent_use(spent, first.text, nonce.text, NOW + 1000, &err), 0);
	assert_int_equal(tl_spent_use(spent, second.text, nonce.text, NOW + 1000, &err),
			 TL_EDENIED);
	assert_says(&err, "statement was used before");
	assert_int_equal(tl_spent_use(spent, second.text, NULL, NOW + 1000, &err), 0);
}

static void a_restart_does_not_forget(void **state)
{
	struct tl_clock_fake fake;
	struct tl_id id;
	tl_fd int fd = -1, second_fd = -1;
	struct tl_spent *spent;

	tl_clock_fake_init(&fake, NOW);
	id = tl_id_new(&fake.clock);
	spent = open_spent(*state, &fake.clock, &fd);
	assert_int_equal(tl_spent_use(spent, id.text, NULL, NOW + 1000, NULL), 0);
	tl_spent_free(spent);
	spent = open_spent(*state, &fake.clock, &second_fd);
	assert_int_equal(tl_spent_use(spent, id.text, NULL, NOW + 1000, NULL), TL_EDENIED);
	tl_spent_free(spent);
}

static void uses_are_forgotten_when_the_grant_is_long_over(void **state)
{
	struct tl_clock_fake fake;
	tl_fd int fd = -1;
	tl_auto(tl_spent) struct tl_spent *spent = NULL;

	tl_clock_fake_init(&fake, NOW);
	spent = open_spent(*state, &fake.clock, &fd);
	for (int i = 0; i < 3; i++) {
		struct tl_id id = tl_id_new(&fake.clock);

		assert_int_equal(tl_spent_use(spent, id.text, NULL, fake.wall_now_ms, NULL), 0);
		tl_clock_fake_advance(&fake, 2 * TL_GRANT_LIFE_MAX_MS);
	}
}

static void a_damaged_memory_fails_closed(void **state)
{
	struct tl_clock_fake fake;
	struct tl_spent *spent = NULL;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	tl_clock_fake_init(&fake, NOW);
	assert_int_equal(tl_fs_write_file(fd, "spent.json", 0600, "[1]", 3, NULL), 0);
	assert_int_equal(tl_spent_open(fd, &fake.clock, &spent, &err), TL_EINVAL);
	assert_says(&err, "spent.json");
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_grant_is_good_for_one_use),
		IN_SCRATCH(a_statement_is_good_for_one_grant),
		IN_SCRATCH(a_restart_does_not_forget),
		IN_SCRATCH(uses_are_forgotten_when_the_grant_is_long_over),
		IN_SCRATCH(a_damaged_memory_fails_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
