"""`kerashand-export` for people who work from a checkout.

python export/export_model.py --model runs/weak --format tflite --precision fp16 --out hand.tflite
"""

from kerashand.cli.export import main

if __name__ == "__main__":
    raise SystemExit(main())
