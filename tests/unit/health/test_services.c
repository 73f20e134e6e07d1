#include "stage.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <towline/str.h>
#include <unistd.h>

/* A systemd that the test plays, in a process of its own at the end of a socket, as PID 1 answers without
 * a bus between. */
#define NOW_S (STAGE_NOW_MS / 1000)

static const struct unit {
	const char *name, *path, *state;
	unsigned restarts;
	int64_t changed_s;
} units[] = {
	{"broken.service", "/unit/broken", "failed", 0, 0},
	{"also-broken.timer", "/unit/timer", "failed", 0, 0},
	{"flapping.service", "/unit/flapping", "active", 12, NOW_S - 60},
	{"restless.service", "/unit/restless", "active", 3, NOW_S - 3599},
	{"quiet.service", "/unit/quiet", "active", 0, NOW_S},
	{"long-ago.service", "/unit/long_ago", "active", 12, NOW_S - 3600},
};

static int answer_list(sd_bus_message *call, const char *state)
{
	tl_cleanup(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

	sd_bus_message_new_method_return(call, &reply);
	sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
	for (size_t i = 0; i < TL_ARRAY_LEN(units); i++)
		if (strcmp(units[i].state, state) == 0)
			sd_bus_message_append(reply, "(ssssssouso)", units[i].name, "", "loaded",
					      state, state, "", units[i].path, 0, "", "/");
	sd_bus_message_close_container(reply);
	return sd_bus_send(NULL, reply, NULL);
}

static int answer_property(sd_bus_message *call)
{
	const char *interface, *property;

	sd_bus_message_read(call, "ss", &interface, &property);
	if (strcmp(property, "SystemState") == 0)
		return sd_bus_reply_method_return(call, "v", "s", "degraded");
	for (size_t i = 0; i < TL_ARRAY_LEN(units); i++) {
		if (strcmp(units[i].path, sd_bus_message_get_path(call)) != 0)
			continue;
		if (strcmp(property, "StateChangeTimestamp") == 0)
			return sd_bus_reply_method_return(call, "v", "t",
							  (uint64_t)units[i].changed_s * 1000000);
		return sd_bus_reply_method_return(call, "v", "u", units[i].restarts);
	}
	return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_OBJECT, "no such unit");
}

static int on_call(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	char **states = NULL;
	int r;

	(void)arg;
	(void)error;
	if (sd_bus_message_is_method_call(call, NULL, "Get"))
		return answer_property(call);
	if (!sd_bus_message_is_method_call(call, NULL, "ListUnitsByPatterns"))
		return 0;
	sd_bus_message_read_strv(call, &states);
	r = answer_list(call, states && states[0] ? states[0] : "");
	for (char **state = states; state && *state; state++)
		free(*state);
	free(states);
	return r;
}

static void play(int listener)
{
	sd_bus *bus = NULL;
	sd_id128_t id;
	int fd = accept(listener, NULL, NULL);

	sd_id128_randomize(&id);
	sd_bus_new(&bus);
	sd_bus_set_fd(bus, fd, fd);
	sd_bus_set_server(bus, 1, id);
	sd_bus_set_anonymous(bus, 1);
	sd_bus_set_trusted(bus, 1);
	sd_bus_add_filter(bus, NULL, on_call, NULL);
	sd_bus_start(bus);
	while (sd_bus_process(bus, NULL) >= 0 && sd_bus_wait(bus, UINT64_MAX) >= 0)
		;
	_exit(0);
}

static char address[160];

static int listen_below(const struct stage *stage)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof name.sun_path, "%s/bus", stage->root);
	snprintf(address, sizeof address, "unix:path=%s/bus", stage->root);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void take_with_systemd(struct stage *stage)
{
	tl_fd int listener = listen_below(stage);
	pid_t pid = fork();

	if (pid == 0)
		play(listener);
	stage_dir(stage, "/run/systemd/system");
	stage->options.bus = address;
	stage_take(stage);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(stage_path(stage, "/bus"));
}

static void failed_units_are_counted_and_named(void **state)
{
	struct stage *stage = *state;

	take_with_systemd(stage);
	assert_float_equal(stage_number(stage, "failed_units", NULL), 2, 0);
	assert_verdict(stage, "failed_units", NULL, "warning");
	assert_text(stage, "failed_units", NULL, "broken.service, also-broken.timer");
	assert_verdict(stage, "unit_failed", "broken.service", "warning");
	assert_string_equal(json_string_value(
				    json_object_get(stage_find(stage, "system_state", NULL),
						    "value")),
			    "degraded");
}

static void a_unit_that_is_switched_off_does_not_count(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/towline/health.yaml",
		   "thresholds:\n  unit_failed:\n    subjects:\n"
		   "      - {match: '*broken*', off: true}\n");
	take_with_systemd(stage);
	assert_verdict(stage, "failed_units", NULL, "ok");
	assert_no_fact(stage, "unit_failed");
}

static void services_that_restart_by_themselves_are_judged(void **state)
{
	struct stage *stage = *state;

	take_with_systemd(stage);
	assert_verdict(stage, "unit_restarts", "flapping.service", "critical");
	assert_verdict(stage, "unit_restarts", "restless.service", "warning");
	assert_null(stage_find(stage, "unit_restarts", "quiet.service"));
}

static void a_service_that_is_quiet_again_is_told_and_not_judged(void **state)
{
	struct stage *stage = *state;

	take_with_systemd(stage);
	assert_verdict(stage, "unit_restarts", "long-ago.service", NULL);
}

static void a_bus_that_is_not_there_is_unknown(void **state)
{
	struct stage *stage = *state;

	stage_dir(stage, "/run/systemd/system");
	stage->options.bus = "unix:path=/nonexistent/bus";
	stage_take(stage);
	assert_verdict(stage, "failed_units", NULL, "unknown");
}

static void a_manager_that_is_silent_costs_the_deadline_only(void **state)
{
	struct stage *stage = *state;
	tl_fd int listener = listen_below(stage);

	stage_dir(stage, "/run/systemd/system");
	stage->options.bus = address;
	stage->options.deadline_ms = 50;
	stage_take(stage);
	assert_verdict(stage, "failed_units", NULL, "unknown");
	assert_true(listener >= 0);
}

static void a_host_without_systemd_has_no_units(void **state)
{
	struct stage *stage = *state;

	stage_take(stage);
	assert_no_fact(stage, "failed_units");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(failed_units_are_counted_and_named),
		STAGE_TEST(a_unit_that_is_switched_off_does_not_count),
		STAGE_TEST(services_that_restart_by_themselves_are_judged),
		STAGE_TEST(a_service_that_is_quiet_again_is_told_and_not_judged),
		STAGE_TEST(a_bus_that_is_not_there_is_unknown),
		STAGE_TEST(a_manager_that_is_silent_costs_the_deadline_only),
		STAGE_TEST(a_host_without_systemd_has_no_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
