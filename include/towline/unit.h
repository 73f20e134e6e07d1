/* Measured values for people. Units are UCUM's: "1", "%", "By", "By/s", "s", "Cel", "/s". Any thread. */
#ifndef TOWLINE_UNIT_H
#define TOWLINE_UNIT_H

#define TL_UNIT_TEXT 64 /* room for the text */

/* "93 %", "4.1 GB", "3 d 4 h", "71 °C"; an unknown unit stands behind its number (16 bytes of it). */
void tl_unit_text(const char *unit, double value, char text[static TL_UNIT_TEXT]);

#endif
