#include "collect/limits.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE (3 << 13) /* ioprio_set(2): class idle */
#define MIB (1024u * 1024u)

/* AddressSanitizer reserves terabytes. */
#if defined(__SANITIZE_ADDRESS__)
#define BOUND_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BOUND_MEMORY 0
#endif
#endif
#ifndef BOUND_MEMORY
#define BOUND_MEMORY 1
#endif

/* Lowers; what is lower already stays. */
static void lower(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return;
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(resource, &limit); /* lowering is always allowed */
}

/* The soft limit: a program that is started may raise it again. */
static void lower_own(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0 || limit.rlim_cur <= value)
		return;
	limit.rlim_cur = value;
	(void)setrlimit(resource, &limit);
}

static void raise_own(__rlimit_resource_t resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(resource, &limit);
}

void limits_be_idle(void)
{
	struct sched_param none = {.sched_priority = 0};

	/* Not SCHED_IDLE: on a host whose processors are all taken a bundle would miss its deadlines. */
	(void)sched_setscheduler(0, SCHED_BATCH, &none);
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
	lower(RLIMIT_CORE, 0);
}

void limits_for_worker(void)
{
	lower(RLIMIT_CORE, 0);
	lower(RLIMIT_NOFILE, 1024);
	if (BOUND_MEMORY)
		lower_own(RLIMIT_AS, (rlim_t)2048 * MIB);
}

void limits_for_command(int timeout_ms)
{
	/* Programs in Go and Java reserve far more than they use. */
	if (BOUND_MEMORY) {
		lower(RLIMIT_AS, (rlim_t)16384 * MIB);
		raise_own(RLIMIT_AS);
	}
	lower(RLIMIT_CPU, (rlim_t)timeout_ms / 1000 + 2);
	lower(RLIMIT_FSIZE, (rlim_t)MIB); /* a collector writes nothing: a lock file at most */
}
