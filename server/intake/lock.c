#include "intake/lock.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const struct {
	int resource;
	rlim_t max;
} limits[] = {
	{RLIMIT_AS, INTAKE_MEMORY_MAX},
	{RLIMIT_CPU, INTAKE_CPU_S},
	{RLIMIT_FSIZE, 0},
	{RLIMIT_CORE, 0},
	{RLIMIT_NOFILE, 3},
	{RLIMIT_NPROC, 0},
};

static const int allowed[] = {
	SCMP_SYS(read),		  SCMP_SYS(write),	   SCMP_SYS(writev),
	SCMP_SYS(mmap),		  SCMP_SYS(munmap),	   SCMP_SYS(mremap),
	SCMP_SYS(mprotect),	  SCMP_SYS(brk),	   SCMP_SYS(madvise),
	SCMP_SYS(futex),	  SCMP_SYS(exit),	   SCMP_SYS(exit_group),
	SCMP_SYS(fstat),	  SCMP_SYS(newfstatat),	   SCMP_SYS(lseek),
	SCMP_SYS(getrandom),	  SCMP_SYS(clock_gettime), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(close),	   SCMP_SYS(getpid),
	SCMP_SYS(gettimeofday),	  SCMP_SYS(sched_yield),   SCMP_SYS(sched_getaffinity),
};

static inline void filter_auto_(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int load_filter(struct tl_err *err)
{
	tl_cleanup(filter_auto_) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < TL_ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = seccomp_load(filter);
	return r < 0 ? tl_err_sys(err, TL_EINTERNAL, -r, "the intake cannot lock itself") : 0;
}

/* Only ever down: the relay may have set a lower limit already, which no unprivileged process can raise. */
static int lower(int resource, rlim_t max)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return -1;
	if (limit.rlim_max > max)
		limit.rlim_max = max;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit);
}

int intake_lock(struct tl_err *err)
{
	prctl(PR_SET_DUMPABLE, 0);
	for (size_t i = 0; i < TL_ARRAY_LEN(limits); i++) {
		if (lower(limits[i].resource, limits[i].max) < 0)
			return tl_err_sys(err, TL_EINTERNAL, errno,
					  "the intake cannot limit itself");
	}
	return load_filter(err);
}
