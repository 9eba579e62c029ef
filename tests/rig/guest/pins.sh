# Makes the simulated pins. Sourced by scripts that run in the guest as root; leaves the name `bank`.
bank=/sys/kernel/config/gpio-sim/pi/bank0
mkdir -p "$bank"
echo 54 > "$bank/num_lines"
echo pinctrl-bcm2835 > "$bank/label"
echo 1 > "$bank/../live"
udevadm settle
