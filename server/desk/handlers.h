/* The handlers and sinks that the route table names, by the file that holds them. */
#ifndef TOWLINE_SERVER_HANDLERS_H
#define TOWLINE_SERVER_HANDLERS_H

#include "http/http.h"

/* relay.c */
void tl_relay_show(struct tl_http_call *call);
void tl_health_show(struct tl_http_call *call);
/* enrol.c, token.c */
void tl_enrol(struct tl_http_call *call);
void tl_token_issue(struct tl_http_call *call);
/* stream.c, heartbeat.c */
void tl_agent_stream(struct tl_http_call *call);
void tl_events_stream(struct tl_http_call *call);
void tl_heartbeat(struct tl_http_call *call);
/* host_api.c */
void tl_host_list(struct tl_http_call *call);
void tl_host_show(struct tl_http_call *call);
void tl_host_health_show(struct tl_http_call *call);
void tl_host_revoke_call(struct tl_http_call *call);
/* people_api.c */
void tl_me_show(struct tl_http_call *call);
void tl_user_list_call(struct tl_http_call *call);
void tl_user_create_call(struct tl_http_call *call);
void tl_user_key_create_call(struct tl_http_call *call);
void tl_user_key_remove_call(struct tl_http_call *call);
void tl_user_disable_call(struct tl_http_call *call);
void tl_user_token_create_call(struct tl_http_call *call);
void tl_token_revoke_call(struct tl_http_call *call);
void tl_enrolment_token_create_call(struct tl_http_call *call);
/* factor_api.c */
void tl_factor_begin_call(struct tl_http_call *call);
void tl_factor_confirm_call(struct tl_http_call *call);
/* ssh_ca_api.c */
void tl_ssh_certificate_create_call(struct tl_http_call *call);
/* ticket.c, ticket_change.c, timeline.c */
void tl_ticket_list(struct tl_http_call *call);
void tl_ticket_show(struct tl_http_call *call);
void tl_ticket_create(struct tl_http_call *call);
void tl_ticket_update(struct tl_http_call *call);
void tl_timeline_list(struct tl_http_call *call);
void tl_timeline_add(struct tl_http_call *call);
/* upload.c */
void tl_upload_options(struct tl_http_call *call);
void tl_upload_create(struct tl_http_call *call);
void tl_upload_show(struct tl_http_call *call);
extern const struct tl_http_sink tl_upload_sink;
/* upload_end.c, quota.c */
void tl_upload_terminate(struct tl_http_call *call);
void tl_agent_limits_show(struct tl_http_call *call);
/* bundle.c */
void tl_bundle_show(struct tl_http_call *call);
void tl_bundle_content(struct tl_http_call *call);
void tl_bundle_signature(struct tl_http_call *call);
/* attend.c, session_steer.c */
void tl_session_watch(struct tl_http_call *call);
void tl_session_live(struct tl_http_call *call);
void tl_session_pause_call(struct tl_http_call *call);
void tl_session_resume_call(struct tl_http_call *call);
void tl_session_take_over(struct tl_http_call *call);
void tl_session_give_back(struct tl_http_call *call);
void tl_session_input(struct tl_http_call *call);
void tl_session_company_told(struct tl_http_call *call);
/* evidence.c */
void tl_session_note_call(struct tl_http_call *call);
void tl_session_proof(struct tl_http_call *call);
/* forward.c */
void tl_forward_ask(struct tl_http_call *call);
/* roster_api.c */
void tl_roster_show_call(struct tl_http_call *call);
void tl_roster_publish_call(struct tl_http_call *call);
/* terminal_api.c */
void tl_terminal_ticket_call(struct tl_http_call *call);
void tl_terminal_open(struct tl_http_call *call);
/* session_api.c, session_ask.c, session_host.c, callhome.c */
void tl_session_statement(struct tl_http_call *call);
void tl_target_show(struct tl_http_call *call);
void tl_session_list(struct tl_http_call *call);
void tl_session_show(struct tl_http_call *call);
void tl_session_create(struct tl_http_call *call);
void tl_session_stop(struct tl_http_call *call);
void tl_session_recording(struct tl_http_call *call);
void tl_session_decided(struct tl_http_call *call);
void tl_session_ended_call(struct tl_http_call *call);
void tl_callhome(struct tl_http_call *call);
/* audit_api.c */
void tl_audit_show(struct tl_http_call *call);

#endif
