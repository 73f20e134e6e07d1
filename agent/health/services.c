/* systemd's units, over D-Bus, in a child process: a bus or a manager that is stuck costs the deadline only. */
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "health/run.h"

#define UNITS_MAX 64	 /* failed ones with a fact of their own */
#define SERVICES_MAX 512 /* whose restarts are asked for */
#define CALL_USEC 1500000
#define LATELY_S 3600 /* a service that has been quiet for so long restarts no more */

static const char manager[] = "org.freedesktop.systemd1";
static const char manager_path[] = "/org/freedesktop/systemd1";
static const char manager_interface[] = "org.freedesktop.systemd1.Manager";
static const char unit_interface[] = "org.freedesktop.systemd1.Unit";
static const char service_interface[] = "org.freedesktop.systemd1.Service";

/* A question about one service that is on its way, and its answer. */
struct question {
	char unit[256], path[256];
	uint32_t restarts;
	int *open;
};

static int open_bus(const struct health_run *run, sd_bus **ret_bus)
{
	sd_bus *bus = NULL;
	int r;

	if (!run->options->bus)
		return sd_bus_open_system(ret_bus);
	r = sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_address(bus, run->options->bus);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		*ret_bus = bus;
	else
		sd_bus_unref(bus);
	return r;
}

/* Calls a method of the manager that lists units in some states. */
static int list_units(sd_bus *bus, const char *const *states, const char *const *patterns,
		      sd_bus_message **ret_reply)
{
	tl_cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(bus, &call, manager, manager_path, manager_interface,
					       "ListUnitsByPatterns");

	if (r >= 0)
		r = sd_bus_message_append_strv(call, (char **)(uintptr_t)states);
	if (r >= 0)
		r = sd_bus_message_append_strv(call, (char **)(uintptr_t)patterns);
	if (r >= 0)
		r = sd_bus_call(bus, call, CALL_USEC, NULL, ret_reply);
	if (r >= 0)
		r = sd_bus_message_enter_container(*ret_reply, 'a', "(ssssssouso)");
	return r;
}

/* The next unit's name and object; 0 at the end. */
static int next_unit(sd_bus_message *reply, const char **ret_name, const char **ret_path)
{
	return sd_bus_message_read(reply, "(ssssssouso)", ret_name, NULL, NULL, NULL, NULL, NULL,
				   ret_path, NULL, NULL, NULL);
}

static void tell_failed(struct health_run *run, sd_bus *bus)
{
	static const char *const states[] = {"failed", NULL};
	static const char *const patterns[] = {NULL};
	const struct tl_health_kind *kind = tl_health_kind("unit_failed");
	tl_cleanup(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	tl_auto(tl_buf) struct tl_buf names = TL_BUF_INIT(TL_HEALTH_TEXT_MAX);
	const char *name, *path;
	double count = 0;

	if (list_units(bus, states, patterns, &reply) < 0) {
		health_unknown(run, "failed_units", NULL, "systemd did not answer");
		return;
	}
	while (next_unit(reply, &name, &path) > 0) {
		if (thresholds_for(run->thresholds, kind, name).off)
			continue;
		if (count++ < UNITS_MAX)
			health_truth(run, "unit_failed", name, true, NULL);
		tl_buf_printf(&names, "%s%s", names.len ? ", " : "", name);
	}
	health_number(run, "failed_units", NULL, count, names.len ? tl_buf_str(&names) : NULL);
}

static int on_restarts(sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	struct question *question = arg;

	(void)error;
	(*question->open)--;
	if (sd_bus_message_is_method_error(reply, NULL) > 0 ||
	    sd_bus_message_read(reply, "v", "u", &question->restarts) < 0)
		question->restarts = 0;
	return 0;
}

/* All are asked at once and answered one after the other. Returns how many were asked. */
static size_t ask_restarts(sd_bus *bus, struct question *questions)
{
	static const char *const states[] = {"active", "activating", "failed", "reloading", NULL};
	static const char *const patterns[] = {"*.service", NULL};
	tl_cleanup(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *name, *path;
	size_t count = 0;
	int open = 0, r = list_units(bus, states, patterns, &reply);

	while (r >= 0 && count < SERVICES_MAX && next_unit(reply, &name, &path) > 0) {
		struct question *question = &questions[count++];

		question->open = &open;
		snprintf(question->unit, sizeof question->unit, "%s", name);
		snprintf(question->path, sizeof question->path, "%s", path);
		if (sd_bus_call_method_async(bus, NULL, manager, path,
					     "org.freedesktop.DBus.Properties", "Get", on_restarts,
					     question, "ss", service_interface, "NRestarts") >= 0)
			open++;
	}
	while (r >= 0 && open > 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, CALL_USEC);
	}
	return count;
}

/* systemd counts since somebody started the service: what was long ago is told, not judged. */
static void tell_restarts(struct health_run *run, sd_bus *bus)
{
	tl_free struct question *questions = calloc(SERVICES_MAX, sizeof *questions);
	size_t count = questions ? ask_restarts(bus, questions) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct question *question = &questions[i];
		uint64_t changed_us = 0;
		int64_t quiet_s;

		if (question->restarts == 0 ||
		    sd_bus_get_property_trivial(bus, manager, question->path, unit_interface,
						"StateChangeTimestamp", NULL, 't', &changed_us) < 0)
			continue;
		quiet_s = tl_clock_wall_ms(run->clock) / 1000 - (int64_t)(changed_us / 1000000);
		if (quiet_s < LATELY_S)
			health_number(run, "unit_restarts", question->unit, question->restarts,
				      NULL);
		else
			health_unjudged(run, "unit_restarts", question->unit, question->restarts,
					NULL);
	}
}

static void tell_state(struct health_run *run, sd_bus *bus)
{
	tl_free char *state = NULL;

	if (sd_bus_get_property_string(bus, manager, manager_path, manager_interface, "SystemState",
				       NULL, &state) >= 0)
		health_word(run, "system_state", state);
}

static void ask_manager(struct health_run *run, const char *arg)
{
	sd_bus *bus = NULL;

	(void)arg;
	if (open_bus(run, &bus) < 0) {
		health_unknown(run, "failed_units", NULL, "the system bus cannot be reached");
		return;
	}
	sd_bus_set_method_call_timeout(bus, CALL_USEC);
	tell_state(run, bus);
	tell_failed(run, bus);
	if (health_wanted(run, "unit_restarts"))
		tell_restarts(run, bus);
	sd_bus_flush_close_unref(bus);
}

static void manager_is_late(struct health_run *run, const char *arg)
{
	(void)arg;
	health_unknown(run, "failed_units", NULL, "systemd did not answer in time");
}

void health_probe_services(struct health_run *run)
{
	char full[4096];

	/* sd_booted(3), below the root. */
	if (health_path(run, "/run/systemd/system", full) && access(full, F_OK) == 0)
		health_task_start(run, ask_manager, manager_is_late, "");
}
