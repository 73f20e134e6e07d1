/* Figures of a relay with thousands of agents: the memory it spends on each, and whether it takes
 * them all at once. tests/bench/agents/run makes the relay. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <towline/cli.h>
#include <towline/clock.h>
#include <towline/str.h>

#include "swarm.h"

#define STORM_LIMIT_MS 300000

struct memory {
	uint64_t dirty_kb, pss_kb; /* of /proc/PID/smaps_rollup */
};

static int read_memory(const char *pid, struct memory *ret_memory, struct tl_err *err)
{
	char path[64], line[256];
	struct memory memory = {0};

	snprintf(path, sizeof(path), "/proc/%s/smaps_rollup", pid);
	FILE *file = fopen(path, "re");

	if (!file)
		return tl_err_set(err, TL_ENOENT, "cannot read %s: is the relay running?", path);
	while (fgets(line, sizeof(line), file)) {
		(void)!sscanf(line, "Private_Dirty: %" SCNu64, &memory.dirty_kb);
		(void)!sscanf(line, "Pss: %" SCNu64, &memory.pss_kb);
	}
	fclose(file);
	*ret_memory = memory;
	return 0;
}

static int allow_files(size_t count, struct tl_err *err)
{
	struct rlimit limit = {.rlim_cur = count + 64, .rlim_max = count + 64};
	struct rlimit old;

	if (getrlimit(RLIMIT_NOFILE, &old) == 0 && old.rlim_max >= limit.rlim_cur)
		limit.rlim_max = old.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0
		       ? 0
		       : tl_err_set(err, TL_EACCES, "needs %zu open files: ulimit -n %zu first",
				    count + 64, count + 64);
}

static int number_of(const struct tl_cli *cli, const char *option, uint64_t otherwise, uint64_t max,
		     uint64_t *ret_number, struct tl_err *err)
{
	const char *text = tl_cli_get(cli, option);

	*ret_number = otherwise;
	if (text && tl_str_u64(text, max, ret_number))
		return tl_err_set(err, TL_EUSAGE, "--%s must be a number up to %" PRIu64, option,
				  max);
	return 0;
}

static void print_figures(const struct swarm *swarm, int64_t storm_ms, const struct memory *before,
			  const struct memory *after)
{
	double dirty_kb = (double)after->dirty_kb - (double)before->dirty_kb;
	double pss_kb = (double)after->pss_kb - (double)before->pss_kb;

	printf("storm: %zu agents at once, %zu connected, %zu lost; %zu times told to come later,"
	       " %zu connections tried again; %.1f s (TLS, token, stream)\n",
	       swarm->count, swarm->holding, swarm->count - swarm->holding, swarm->postponed,
	       swarm->failed, (double)storm_ms / 1000);
	if (swarm->first_failure[0])
		printf("first failure: %s\n", swarm->first_failure);
	if (swarm->holding == 0)
		return;
	printf("relay: %.1f MB private dirty before, %.1f MB with them; %.1f KB an agent"
	       " (PSS %.1f KB)\n",
	       (double)before->dirty_kb / 1024, (double)after->dirty_kb / 1024,
	       dirty_kb / (double)swarm->holding, pss_kb / (double)swarm->holding);
}

static int measure(struct swarm *swarm, const char *pid, uint64_t hold_s, struct tl_err *err)
{
	struct memory before, after;
	int r = read_memory(pid, &before, err);
	int64_t start_ms = tl_clock_mono_ms(tl_clock_system());

	if (r == 0)
		r = swarm_start(swarm, err);
	if (r == 0)
		r = swarm_until_settled(swarm, start_ms + STORM_LIMIT_MS, err);
	int64_t now_ms = tl_clock_mono_ms(tl_clock_system());

	if (r == 0)
		r = swarm_hold(swarm, now_ms + (int64_t)hold_s * 1000, err);
	if (r == 0)
		r = read_memory(pid, &after, err);
	if (r < 0)
		return r;
	print_figures(swarm, now_ms - start_ms, &before, &after);
	return swarm->holding == swarm->count
		       ? 0
		       : tl_err_set(err, TL_EUNREACH, "%zu agents have no stream",
				    swarm->count - swarm->holding);
}

/* For the test of a restart: all of them connected, sent away, and back. */
static int follow_restart(struct swarm *swarm, struct tl_err *err)
{
	int64_t limit_ms = tl_clock_mono_ms(tl_clock_system()) + STORM_LIMIT_MS;
	int r = swarm_start(swarm, err);

	if (r || (r = swarm_until_settled(swarm, limit_ms, err)))
		return r;
	printf("%zu agents are connected\n", swarm->holding);
	fflush(stdout);
	if ((r = swarm_until_returned(swarm, limit_ms, err)))
		return r;
	printf("%zu agents came back, %zu lost\n", swarm->returned, swarm->lost);
	return swarm->holding == swarm->count
		       ? 0
		       : tl_err_set(err, TL_EUNREACH, "%zu agents have no stream",
				    swarm->count - swarm->holding);
}

static int need(const struct tl_cli *cli, const char *option, const char **ret_value,
		struct tl_err *err)
{
	*ret_value = tl_cli_get(cli, option);
	return *ret_value ? 0 : tl_err_set(err, TL_EUSAGE, "--%s is needed", option);
}

static int run(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(swarm) struct swarm *swarm = NULL;
	const char *ca, *relay_id, *store, *pid;
	uint64_t count, port, hold_s;
	int r;

	if ((r = need(cli, "ca", &ca, err)) || (r = need(cli, "relay-id", &relay_id, err)) ||
	    (r = need(cli, "store", &store, err)) || (r = need(cli, "pid", &pid, err)) ||
	    (r = number_of(cli, "count", 5000, 60000, &count, err)) ||
	    (r = number_of(cli, "port", 8443, 65535, &port, err)) ||
	    (r = number_of(cli, "hold", 45, 3600, &hold_s, err)) || (r = allow_files(count, err)) ||
	    (r = swarm_new(count, (unsigned)port, ca, relay_id, &swarm, err)) ||
	    (r = swarm_enrol(swarm, store, err)))
		return r;
	return tl_cli_has(cli, "restart") ? follow_restart(swarm, err)
					  : measure(swarm, pid, hold_s, err);
}

static const struct tl_cli_option options[] = {
	{0, "ca", "FILE", "Certificate of the relay's CA."},
	{0, "count", "N", "Number of agents; 5000 when not given."},
	{0, "hold", "SECONDS", "How long they stay before memory is read; 45, two heartbeats."},
	{0, "pid", "PID", "The relay's process."},
	{0, "port", "PORT", "The relay's HTTPS port on the loopback interface."},
	{0, "relay-id", "ID", "The relay's identifier."},
	{0, "restart", NULL,
	 "Measure nothing: wait until the relay has sent all away and has them back."},
	{0, "store", "URL", "The relay's store: the agents are registered there."},
	{0, NULL, NULL, NULL},
};

static const struct tl_cli_command command = {
	.summary = "Simulates agents and prints what they cost a relay",
	.options = options,
	.run = run,
};

int main(int argc, char **argv)
{
	static const struct tl_cli_program program = {
		.name = "bench-agents",
		.summary = "simulate thousands of agents against a relay",
		.commands = &command,
		.command_count = 1,
	};

	signal(SIGPIPE, SIG_IGN);
	return tl_cli_main(&program, argc, argv);
}
