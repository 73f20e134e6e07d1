/* The collectors that are C. Those of the first part are general: a row's sources say what they do.
 *
 * Conditions stand before the sources of such a row, so that nothing is started or loaded by being
 * looked at; where one does not hold, the row is absent:
 *     @process:NAME   a process of this name runs (as /proc/PID/comm has it: 15 bytes)
 *     @path:PATH      it exists
 *     @glob:PATTERN   something of the kind exists
 *     @filled:PATH    it exists and is not empty
 *     @module:NAME    the kernel has the module, or has it built in
 *     @filesystem:T   a file system of this type is mounted
 * Private to agent/collect. */
#ifndef TOWLINE_COLLECT_BUILTIN_H
#define TOWLINE_COLLECT_BUILTIN_H

#include "collect/collector.h"

/* Conditions, then an argv: as COLLECT_COMMAND, where the conditions hold. */
int collect_when(struct collect_context *context, struct tl_err *err);
/* Conditions, then an argv in which {} stands for the object; one run for each: cmd/GROUP/NAME/OBJECT. */
int collect_each_interface(struct collect_context *context, struct tl_err *err);
int collect_each_disk(struct collect_context *context, struct tl_err *err);
int collect_each_nvme(struct collect_context *context, struct tl_err *err);
int collect_each_array(struct collect_context *context, struct tl_err *err);
/* Conditions, an argv that prints one object a line, "--", an argv with {}. */
int collect_each_line(struct collect_context *context, struct tl_err *err);
/* Globs: what is there, with size, owner and time, never its contents. snapshot/listing/NAME.tsv. */
int collect_listing(struct collect_context *context, struct tl_err *err);
/* Globs of files that hold one value each: snapshot/values/NAME.json. */
int collect_values(struct collect_context *context, struct tl_err *err);
/* Needles, "--", files: the lines that hold any of them, of each file's end. matches/NAME.txt. */
int collect_matching(struct collect_context *context, struct tl_err *err);

/* Snapshots of one matter each, in C. */
int collect_activity(struct collect_context *context, struct tl_err *err);
int collect_blocked(struct collect_context *context, struct tl_err *err);
int collect_certificates(struct collect_context *context, struct tl_err *err);
int collect_cgroups(struct collect_context *context, struct tl_err *err);
int collect_conffiles(struct collect_context *context, struct tl_err *err);
int collect_fsync(struct collect_context *context, struct tl_err *err);
int collect_interfaces(struct collect_context *context, struct tl_err *err);
int collect_kernel_config(struct collect_context *context, struct tl_err *err);
int collect_kernel_log(struct collect_context *context, struct tl_err *err);
int collect_limits(struct collect_context *context, struct tl_err *err);
int collect_listeners(struct collect_context *context, struct tl_err *err);
int collect_modules(struct collect_context *context, struct tl_err *err);
int collect_mounts(struct collect_context *context, struct tl_err *err);
int collect_open_files(struct collect_context *context, struct tl_err *err);
int collect_packages_held(struct collect_context *context, struct tl_err *err);
int collect_process_facts(struct collect_context *context, struct tl_err *err);
int collect_process_files(struct collect_context *context, struct tl_err *err);
int collect_reachability(struct collect_context *context, struct tl_err *err);
int collect_relay_tls(struct collect_context *context, struct tl_err *err);
int collect_sysctl(struct collect_context *context, struct tl_err *err);
int collect_time(struct collect_context *context, struct tl_err *err);
int collect_units(struct collect_context *context, struct tl_err *err);
int collect_users(struct collect_context *context, struct tl_err *err);

/* True when the leading conditions of a row's sources hold; *ret_rest is what stands behind them. */
bool when_holds(const struct collect_context *context, const char *const **ret_rest);

#endif
