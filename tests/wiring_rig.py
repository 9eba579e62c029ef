"""A configuration that uses most of the header: every kind of device, and a pin of each bus."""

FULL_MACHINE = """\
pins: {factory: lgpio}
gate:
  kind: conveyor
  belt_pin: J8:33
  belt_pwm_hz: 100
  exit_sensor: {pin: J8:18}
  turn_sensor: {pin: J8:22}
  diverter: {pin: J8:12}
  home_switch: {pin: 3}
  bins_deg: {recyclable: 140.0, residue: 40.0}
drop_sensor: {kind: beam, pin: 23}
presence: {beam: {pin: 14}}
bins:
  sensors:
    residue: {kind: ultrasonic, trigger_pin: 19, echo_pin: 21, full_m: 0.15}
    recyclable: {kind: beam, pin: 10, active_high: true}
panel:
  estop: {pin: 5}
  lid: {pin: 6}
  resume_button: {pin: 16}
  pause_button: {pin: 20}
  lamp: {green_pin: 17, yellow_pin: 27, red_pin: 22}
  buzzer: {pin: 26}
"""
