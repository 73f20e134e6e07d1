/* A control group of its own for each collection, below the helper's unit, where systemd delegates it
 * (Delegate=yes) and the kernel has cgroup v2 (cgroups(7)): bounded memory and processes, least share of
 * processors and disks, and one file that ends all that is in it. Everywhere else there is none, and
 * process groups and limits have to do. Main thread. */
#ifndef TOWLINE_HELPER_CGROUP_H
#define TOWLINE_HELPER_CGROUP_H

#include <limits.h>
#include <stdbool.h>

struct tl_cgroup {
	char unit[PATH_MAX]; /* the helper's, delegated; "": there is none */
	char own[PATH_MAX];  /* of the collection at hand; "": none */
};

/* Moves this process aside and asks for the controllers. Fails silently: there is none, then. */
void tl_cgroup_open(struct tl_cgroup *cgroup);
/* Makes the group of one collection; its directory's cgroup.procs, open, or -1. */
int tl_cgroup_begin(struct tl_cgroup *cgroup);
/* Kills what is in it, and removes it when it is empty. */
void tl_cgroup_end(struct tl_cgroup *cgroup);

#endif
