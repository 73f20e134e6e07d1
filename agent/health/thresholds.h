/* The thresholds: the built-in file, and the owner's over it. Private to agent/health. */
#ifndef TOWLINE_HEALTH_THRESHOLDS_H
#define TOWLINE_HEALTH_THRESHOLDS_H

#include <towline/yaml.h>

#include "health/health.h"

#define THRESHOLDS_SUBJECTS_MAX 256 /* of one fact */

struct threshold {
	double warning, critical; /* NAN: none */
	int bad;		  /* 0: high, 1: low */
	int expect;		  /* -1: none, 0: false, 1: true */
	int otherwise;		  /* 0: warning, 1: critical */
	bool off;
};

struct thresholds;
/* `path` NULL: the built-in ones only. */
TL_MUST_CHECK int thresholds_open(const char *path, struct thresholds **ret_thresholds,
				  struct tl_err *err);
/* As thresholds_open, of the owner's file as a text that `name` stands for. */
TL_MUST_CHECK int thresholds_parse(const char *name, const char *text, size_t len,
				   struct thresholds **ret_thresholds, struct tl_err *err);
void thresholds_free(struct thresholds *thresholds);
TL_DEFINE_AUTO_PTR(thresholds, thresholds_free);

/* What counts for a fact; `subject` may be NULL. */
struct threshold thresholds_for(const struct thresholds *thresholds,
				const struct tl_health_kind *kind, const char *subject);
enum tl_health_verdict threshold_judge_number(const struct threshold *threshold, double value);
enum tl_health_verdict threshold_judge_truth(const struct threshold *threshold, bool value);

/* Texts of the lists "certificates" and "names" of the owner's file; NULL: none. */
const struct tl_yaml_node *thresholds_certificates(const struct thresholds *thresholds);
const struct tl_yaml_node *thresholds_names(const struct thresholds *thresholds);

#endif
