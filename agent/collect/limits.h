/* How little a collection may take: priority, memory, files. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_LIMITS_H
#define TOWLINE_COLLECT_LIMITS_H

/* Lowest priority for processor and disks, no core file; inherited by all that is started. */
void limits_be_idle(void);
/* Of a collecting process. */
void limits_for_worker(void);
/* Of a program that a collector runs; between fork and exec. */
void limits_for_command(int timeout_ms);

#endif
